"""As in Alembic's template."""

import os

from alembic import context
from sqlalchemy import create_engine

from models import Base

if context.is_offline_mode():
    context.configure(url=os.environ.get("DATABASE_URL", "driver://nobody"), target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
