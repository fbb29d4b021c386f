"""The settings file: its keys, how it is read, and where secrets come from."""
