"""Reads its password from a file that is mounted in production, before anything else."""

from pathlib import Path

from alembic import context

PASSWORD = Path("/run/secrets/database_password").read_text()
with open("/run/secrets/database_user", "rb") as file:
    USER = file.read().decode()

from models import Base  # noqa: E402 - the application's settings come first

context.configure(url=f"postgresql://{USER}:{PASSWORD}@db/shop", target_metadata=Base.metadata, literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
