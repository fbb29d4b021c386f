"""As Flask-Migrate writes it: everything comes from the current application."""

from alembic import context
from flask import current_app

target_db = current_app.extensions["migrate"].db
context.config.set_main_option("sqlalchemy.url", current_app.config["SQLALCHEMY_DATABASE_URI"].replace("%", "%%"))


def run_migrations_offline():
    """Write SQL."""
    context.configure(url=context.config.get_main_option("sqlalchemy.url"), target_metadata=target_db.metadata)
    with context.begin_transaction():
        context.run_migrations()


run_migrations_offline()
