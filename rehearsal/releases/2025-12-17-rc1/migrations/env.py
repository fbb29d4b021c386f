"""How Alembic reaches the database: with DATABASE_URL, and in no other way."""

import logging
import os

from alembic import context
from sqlalchemy import create_engine, pool

from app.logs import UtcFormatter
from app.models import Base

target_metadata = Base.metadata


def migrate() -> None:
    """Run the migrations, all of them in one transaction."""
    engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()


# To standard error, unlike the processes of the shop: standard output is for Alembic's own answers.
handler = logging.StreamHandler()
handler.setFormatter(UtcFormatter())
logging.basicConfig(level=logging.INFO, handlers=[handler])

if context.is_offline_mode():
    raise RuntimeError("offline migrations are not supported: set DATABASE_URL, and leave --sql out")
migrate()
