"""Several metadata collections."""

from alembic import context

from models import first, second, third

context.configure(dialect_name="postgresql", target_metadata=[first, second, third])
with context.begin_transaction():
    context.run_migrations()
