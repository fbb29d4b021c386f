"""One run: begun, locked, interrupted, closed, and what its last lines say."""
