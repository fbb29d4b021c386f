"""Writes its migrations by hand."""

from alembic import context

context.configure(url=None, target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
