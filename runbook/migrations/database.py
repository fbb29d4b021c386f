"""The production database: its revisions, tables, columns and row counts."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from pydantic import SecretStr

from runbook.errors import Inconclusive
from runbook.migrations.server import Server
from runbook.production.compose import Production
from runbook.settings.absent import Absent
from runbook.settings.database import DatabaseSettings

ALL_COLUMNS = """
SELECT n.nspname, c.relname, a.attname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
"""
# Counting is read-only and limited in time, so it cannot block other sessions, or wait for them, for long.
_COUNTING = "SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s';"
_REFERRING = """
WITH RECURSIVE referring AS (
    SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass({table})
    UNION
    SELECT further.conrelid FROM pg_constraint further JOIN referring ON further.confrelid = referring.conrelid
    WHERE further.contype = 'f'
)
SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END
FROM referring JOIN pg_class c ON c.oid = referring.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IS DISTINCT FROM to_regclass({table}) ORDER BY 1
"""
# A dump holds no data of partitioned tables, temporary tables and tables of an extension.
_WITH_DATA = """
SELECT concat_ws(' ', n.nspname, c.relname, pg_get_userbyid(c.relowner))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_REVISION = re.compile(r"[\w.-]{1,255}")


class Database:
    """The database of one production, queried with psql: in its container, or at the address in `database.url`."""

    def __init__(
        self, production: Production, settings: DatabaseSettings | None, url: Callable[[], SecretStr] | None = None
    ) -> None:
        """Without `settings` every query raises Inconclusive. `url` returns the secret of `database.url`."""
        self._production = production
        self._given = settings
        self._url = url
        self._remembered: dict[str, list[list[str]]] | None = None

    @property
    def _settings(self) -> DatabaseSettings:
        if self._given is None:
            raise Inconclusive(Absent.DATABASE.told, "add [database] to the settings")
        return self._given

    @cached_property
    def server(self) -> Server:
        """The server of the database. Raises Inconclusive when the settings have no database."""
        return Server(self._production, self._settings, self._url)

    def quiet(self, production: Production) -> "Database":
        """Return the same database, queried through another `production`, for example one that records nothing."""
        return Database(production, self._given, self._url)

    def ask(self, query: str, *, deadline: float | None = None) -> list[list[str]]:
        """Return the rows of `query`, as text. `deadline` is in seconds.

        Raises Inconclusive when the database does not answer.
        """
        remembered = self._remembered
        if remembered is None:
            return self._asked(query, deadline)
        if query not in remembered:
            remembered[query] = self._asked(query, deadline)
        return [list(row) for row in remembered[query]]

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Cache the answers of `ask` inside the `with` block: for one decision, before anything changes."""
        self._remembered = {}
        try:
            yield
        finally:
            self._remembered = None

    def _asked(self, query: str, deadline: float | None) -> list[list[str]]:
        server = self.server
        answer = server.ask(
            "psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--quiet", "--csv", "--tuples-only",
            "--command", query, deadline=deadline,
        )  # fmt: skip
        if answer.exit_code != 0:
            raise Inconclusive(f"the database {server.name} does not answer: {answer.last_line}", server.remedy)
        return list(csv.reader(io.StringIO(answer.text)))

    def revisions(self) -> tuple[str, ...]:
        """Return the revisions in Alembic's version table, sorted. Unmerged branches give several.

        Raises Inconclusive when the database does not answer, or when the table holds no revision or an invalid one.
        """
        table = version_table(self._settings)
        found = [row[0] for row in self.ask(f"SELECT version_num FROM {table}")]  # noqa: S608 - quoted there
        if not found or not all(_REVISION.fullmatch(revision) for revision in found):
            raise Inconclusive(
                f"{table} in {self.server.name} has no valid revision",
                "check that this database was migrated; if env.py sets version_table or version_table_schema, set"
                " database.version_table or database.version_schema",
            )
        return tuple(sorted(found))

    def columns(self) -> dict[str, set[str]]:
        """Return the columns of every table, by table: `table` for those in `public`, otherwise `schema.table`."""
        found: dict[str, set[str]] = {}
        for schema, table, column in self.ask(ALL_COLUMNS):
            found.setdefault(table if schema == "public" else f"{schema}.{table}", set()).add(column)
        return found

    def tables(self) -> list[str]:
        """Return the tables whose data is dumped, as `pg_restore --list` prints them: `schema table owner`."""
        return sorted({row[0] for row in self.ask(_WITH_DATA)})

    def values_held(self, table: str, columns: Iterable[str]) -> Mapping[str, int]:
        """Return the current row count under `*`, and the number of values that are not NULL under each of `columns`.

        Raises Inconclusive when the database cannot count them within 10 seconds.
        """
        columns = list(columns)
        counts = ", ".join(["count(*)", *(f"count({quoted(column)})" for column in columns)])
        row = self.ask(f"{_COUNTING} SELECT {counts} FROM {_quoted_table(table)}")[0]  # noqa: S608 - quoted above
        return dict(zip(["*", *columns], map(int, row), strict=True))

    def column_type(self, table: str, column: str) -> str | None:
        """Return a column's type as PostgreSQL prints it (`character varying(20)`), or None without such a column."""
        found = self.ask(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"  # noqa: S608 - both are quoted
            f" WHERE attrelid = to_regclass({literal(_quoted_table(table))}) AND attname = {literal(column)}"
        )
        return found[0][0] if found else None

    def referring(self, table: str) -> list[str]:
        """Return the tables that reference `table`, directly or through others. Deletes in it may change their rows."""
        return [row[0] for row in self.ask(_REFERRING.format(table=literal(_quoted_table(table))))]


def version_table(settings: DatabaseSettings) -> str:
    """Return the name of Alembic's version table, quoted for SQL."""
    return ".".join(quoted(part) for part in (settings.version_schema, settings.version_table) if part)


def _quoted_table(table: str) -> str:
    return ".".join(map(quoted, table.split(".")))


def literal(text: str) -> str:
    r"""Return `text` as an SQL literal.

    >>> print(literal("it's"))
    E'it''s'
    """
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return `name` as a quoted SQL identifier.

    >>> print(quoted('my"table'), quoted("orders"))
    "my""table" "orders"
    """
    return '"' + name.replace('"', '""') + '"'
