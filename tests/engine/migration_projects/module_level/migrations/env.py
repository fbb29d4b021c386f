"""Passes its metadata to Alembic online alone; offline it stands in the module."""

from alembic import context

from models import Base

target_metadata = Base.metadata


def run_migrations_offline():
    """Write SQL, for which no metadata is needed."""
    context.configure(url="postgresql://", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


run_migrations_offline()
