"""The engine of this machine: labels, locks, ports, and cleaning up."""
