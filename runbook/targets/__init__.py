"""Where releases come from: the container registry."""
