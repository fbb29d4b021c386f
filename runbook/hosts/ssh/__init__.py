"""The production host over SSH: the shared connection, the script on the host, and the host itself."""
