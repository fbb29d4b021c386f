"""Two databases, one after the other."""

from alembic import context

from models import Base

for name in ("orders", "customers"):
    context.configure(url="postgresql://", target_metadata=Base.metadata)
    context.run_migrations(name=name)
