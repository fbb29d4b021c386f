"""What runs inside an application's image, on any Python from 3.8 on.

`script.py` imports these modules. They use the standard library, Alembic 1.4 or later and SQLAlchemy 1.4 or later,
and nothing else of this project.
"""
