"""What runs inside an application's image, on any Python from 3.8 on.

They are the parts of `script.py`. They use the standard library, Alembic 1.4 or later and SQLAlchemy 1.4 or later,
and nothing of this project.
"""
