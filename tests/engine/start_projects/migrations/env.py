"""Alembic's connection to the database. Its version table has another name and another schema."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, version_table="versions", version_table_schema="audit")
    with context.begin_transaction():
        context.run_migrations()
