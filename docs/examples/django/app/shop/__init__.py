"""A shop in small: orders in PostgreSQL, served by gunicorn."""
