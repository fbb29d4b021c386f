"""Which release is the target: selection, and the container registry."""
