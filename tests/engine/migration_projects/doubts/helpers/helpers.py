"""Shared by the migrations."""

import sqlalchemy as sa
from alembic import context, op


def drop_if_there():
    if context.is_offline_mode():
        return
    op.drop_column("things", "n")


def columns(table):
    try:
        return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    except sa.exc.NoInspectionAvailable:
        return set()


def safely(sql):
    try:
        op.execute(sql)
    except Exception:
        print("there already")


def only_writes(what):
    return what.as_sql
