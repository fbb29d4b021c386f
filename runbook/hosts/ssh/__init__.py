"""The production host over SSH: the shared connection, what is run at its other end, and the host itself."""
