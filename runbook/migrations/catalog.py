"""What PostgreSQL's own catalog says: which columns there are, and which rows hold values."""

import csv
import io
import re
from collections.abc import Iterable, Mapping

from runbook.errors import Inconclusive
from runbook.production import Production
from runbook.settings import DatabaseSettings

ALL_COLUMNS = """
SELECT n.nspname, c.relname, a.attname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
"""
_REVISION = re.compile(r"[\w.-]{1,255}")


class Catalog:
    """The database of one production, asked through psql from inside its own container."""

    def __init__(self, production: Production, settings: DatabaseSettings) -> None:
        self._production = production
        self._settings = settings

    def ask(self, query: str) -> list[list[str]]:
        """The rows that `query` gives, as text. Raises Inconclusive when the database does not answer it."""
        answer = self._production.host.run(
            self._production.compose(
                "exec",
                "-T",
                self._settings.service,
                "psql",
                "--no-psqlrc",
                "--username",
                self._settings.user,
                "--dbname",
                self._settings.name,
                "--set",
                "ON_ERROR_STOP=1",
                "--quiet",
                "--csv",
                "--tuples-only",
                "--command",
                query,
            )
        )
        if answer.exit_code != 0:
            raise Inconclusive(
                f"the database {self._settings.name} does not answer: {answer.last_words}",
                f"look at the service {self._settings.service}, and at database.user, database.name and"
                " database.version_table in the settings",
            )
        return list(csv.reader(io.StringIO(answer.text)))

    def revisions(self) -> tuple[str, ...]:
        """The revisions in Alembic's own table, sorted; more than one when branches are not merged.

        Raises Inconclusive when the database does not answer, or that table holds none.
        """
        table = version_table(self._settings)
        found = [row[0] for row in self.ask(f"SELECT version_num FROM {table}")]  # noqa: S608 - quoted there
        if not found or not all(_REVISION.fullmatch(revision) for revision in found):
            raise Inconclusive(
                f"{table} of {self._settings.name} holds no revision",
                "was this database ever migrated? If env.py sets version_table or version_table_schema, set"
                " database.version_table or database.version_schema",
            )
        return tuple(sorted(found))

    def columns(self) -> dict[str, set[str]]:
        """The columns of every table, by the table's name: alone for those in `public`, else `schema.table`."""
        found: dict[str, set[str]] = {}
        for schema, table, column in self.ask(ALL_COLUMNS):
            found.setdefault(table if schema == "public" else f"{schema}.{table}", set()).add(column)
        return found

    def tables(self) -> list[str]:
        """The names of the tables that hold data of their own, without their schema."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        return sorted({row[0] for row in self.ask(query)})

    def values_held(self, table: str, columns: Iterable[str]) -> Mapping[str, int]:
        """How many rows hold a value now: in all under `*`, and for each of `columns` under its name."""
        columns = list(columns)
        counts = ", ".join(["count(*)", *(f"count({quoted(column)})" for column in columns)])
        row = self.ask(f"SELECT {counts} FROM {'.'.join(map(quoted, table.split('.')))}")[0]  # noqa: S608 - quoted above
        return dict(zip(["*", *columns], map(int, row), strict=True))


def version_table(settings: DatabaseSettings) -> str:
    """The table in which Alembic keeps the database's revisions, quoted for SQL."""
    return ".".join(quoted(part) for part in (settings.version_schema, settings.version_table) if part)


def quoted(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
