"""Mistakes in the settings, told all at once with their places; and what the environment overrides."""
