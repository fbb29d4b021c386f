"""Migrations in production: the command, its time limits, the accepted loss, kept rows, and bridges."""
