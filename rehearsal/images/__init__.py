"""Images built from Debian's and PyPI's packages alone, and the registry that holds them."""
