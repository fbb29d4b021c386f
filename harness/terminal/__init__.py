"""The terminal output while a run is under way."""
