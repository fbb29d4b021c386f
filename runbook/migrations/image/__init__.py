"""Asking an image for its migrations and models, contained: no network, no rights, limits."""
