"""The settings file: its keys, its loading, and the sources of secrets."""
