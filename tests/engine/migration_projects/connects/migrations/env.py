"""Has no offline mode."""

import os
import socket

from alembic import context

from models import Base

target_metadata = Base.metadata


def run_migrations_online():
    """Connect in every mode."""
    with socket.create_connection((os.environ.get("DATABASE_HOST", "192.0.2.1"), 5432), timeout=5) as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        context.run_migrations()


run_migrations_online()
