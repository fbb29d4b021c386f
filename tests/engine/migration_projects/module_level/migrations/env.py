"""Passes its metadata to Alembic only online. Offline, the metadata is only a module variable."""

from alembic import context

from models import Base

target_metadata = Base.metadata


def run_migrations_offline():
    """Write SQL, which needs no metadata."""
    context.configure(url="postgresql://", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


run_migrations_offline()
