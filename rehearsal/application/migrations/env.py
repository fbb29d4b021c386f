"""How Alembic reaches the database: with DATABASE_URL, or not at all when it only writes SQL."""

import logging
import os

from alembic import context
from sqlalchemy import create_engine, pool

from app.logs import UtcFormatter
from app.models import Base


def write_sql() -> None:
    """Write the statements to standard output; needs no database."""
    url = os.environ.get("DATABASE_URL", "postgresql+psycopg://")
    context.configure(url=url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def migrate() -> None:
    """Run the migrations, all of them in one transaction."""
    engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()


# To standard error, unlike the processes of the shop: standard output is for Alembic's own answers, SQL among them.
handler = logging.StreamHandler()
handler.setFormatter(UtcFormatter())
logging.basicConfig(level=logging.INFO, handlers=[handler])

if context.is_offline_mode():
    write_sql()
else:
    migrate()
