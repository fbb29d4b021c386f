"""Dumps that are used: read without a database, restored beside the live one, and put in its place."""
