"""Sets the folders of its revisions itself, in one of several ways."""

from pathlib import Path

from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table

places = [str(Path(context.script.dir, name)) for name in ("first", "second")]
how = context.config.get_main_option("set")
if how == "own":
    context.script.version_locations = places
if how == "configured":
    context.config.set_main_option("version_locations", " ".join(places))
if how == "stops":
    raise RuntimeError("no DATABASE_URL")

metadata = MetaData()
Table("things", metadata, Column("id", Integer, primary_key=True))
context.configure(url="postgresql://", target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
