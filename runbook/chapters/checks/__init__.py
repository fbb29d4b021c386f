"""Checks that more than one chapter needs: the Compose files, and production looked at last."""
