"""Loading of the settings: all mistakes reported at once with their lines, and overrides from the environment."""
