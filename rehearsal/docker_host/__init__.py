"""The Docker Engine of this machine: labels, locks, ports and cleanup."""
