"""Images built only from Debian and PyPI packages, and the registry that holds them."""
