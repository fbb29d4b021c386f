"""Modules that run inside an application's image, on Python 3.8 or later.

`script.py` imports them. They use only the standard library, Alembic 1.4 or later, SQLAlchemy 1.4 or later, and each
other.
"""
