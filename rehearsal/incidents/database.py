"""The content of the practice production's PostgreSQL, read with psql in its container, for comparisons."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from rehearsal.practice_production import PracticeProduction

DATABASE = "shop"


def sql(practice: PracticeProduction, statement: str, *, database: str = DATABASE) -> list[str]:
    """Run one statement as the superuser and return its lines, columns separated by tabs. Raises RehearsalError."""
    words = ("psql", "--no-psqlrc", "--username", "postgres", "--dbname", database, "--set", "ON_ERROR_STOP=1")
    plain = ("--quiet", "--no-align", "--tuples-only", "--field-separator", "\t", "--command", statement)
    return _in_container(practice, *words, *plain).splitlines()


def tables(practice: PracticeProduction, *, database: str = DATABASE) -> list[str]:
    """Return the names of all tables, including Alembic's."""
    statement = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    return sql(practice, statement, database=database)


def columns(practice: PracticeProduction, table: str, *, database: str = DATABASE) -> list[str]:
    """Return the names of a table's columns, sorted, because a column that is added again changes their order."""
    statement = f"SELECT attname FROM pg_attribute WHERE {_is(table)} AND attnum > 0 AND NOT attisdropped ORDER BY 1"  # noqa: S608 - our own names
    return sql(practice, statement, database=database)


def rows(
    practice: PracticeProduction,
    table: str,
    names: Sequence[str] = (),
    *,
    where: str = "true",
    database: str = DATABASE,
) -> list[str]:
    """Return the rows of a table ordered by its primary key, in COPY's text format, columns separated by tabs.

    `names` are the columns; by default all of them, sorted. `where` is an SQL condition.
    """
    key = f"SELECT attname FROM pg_index, pg_attribute WHERE {_is(table)} AND indrelid = attrelid AND indisprimary AND attnum = ANY (indkey) ORDER BY array_position(indkey, attnum)"  # noqa: E501, S608 - our own names
    by = ", ".join(map(_quoted, sql(practice, key, database=database)))
    wanted = ", ".join(map(_quoted, names or columns(practice, table, database=database)))
    query = f"SELECT {wanted} FROM {_quoted(table)} WHERE {where} ORDER BY {by or '1'}"  # noqa: S608 - the same
    return sql(practice, f"COPY ({query}) TO STDOUT", database=database)


def content_hash(
    practice: PracticeProduction,
    table: str,
    names: Sequence[str] = (),
    *,
    where: str = "true",
    database: str = DATABASE,
) -> str:
    """Return the SHA-256 of `rows`, including the column names."""
    names = names or columns(practice, table, database=database)
    found = rows(practice, table, names, where=where, database=database)
    return hashlib.sha256("\n".join(["\t".join(names), *found]).encode()).hexdigest()


def restore(practice: PracticeProduction, dump: Path, database: str) -> None:
    """Restore a dump in pg_dump's custom format into a new database. Raises RehearsalError."""
    inside = f"/tmp/{database}.dump"  # noqa: S108 - the container's own
    practice.engine.compose(practice.server, "cp", str(dump), f"db:{inside}")
    # Only its owner can read a restore point, and the container's database user is another user.
    practice.engine.compose(practice.server, "exec", "--no-TTY", "--user", "root", "db", "chmod", "644", inside)
    user = ("--username", "postgres")
    _in_container(practice, "createdb", *user, "--template", "template0", database)
    _in_container(practice, "pg_restore", *user, "--no-owner", "--exit-on-error", "--dbname", database, inside)


def _in_container(practice: PracticeProduction, *command: str) -> str:
    return practice.engine.compose(practice.server, "exec", "--no-TTY", "db", *command)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is(table: str) -> str:
    return f"attrelid = to_regclass('{_quoted(table)}')"
