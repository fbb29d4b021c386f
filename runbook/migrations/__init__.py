"""Migrations: what an image's code expects, what the database is at, and whether the two can live together."""
