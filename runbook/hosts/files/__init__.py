"""Files of the production host, looked at: without a command where it is this machine, with one over SSH."""
