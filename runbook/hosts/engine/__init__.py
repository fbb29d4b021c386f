"""The Docker engine of a host, looked at through its API; what changes something is a command."""
