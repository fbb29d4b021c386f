"""The archive of all incidents, and the index page."""
