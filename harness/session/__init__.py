"""One run: begun, locked, interrupted and closed, with its last lines."""
