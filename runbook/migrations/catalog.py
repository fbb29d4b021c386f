"""The database's catalog: its tables, columns, constraints and enum labels. No data."""

from collections.abc import Sequence
from typing import Protocol

from runbook.errors import Inconclusive
from runbook.migrations.verdict.table_names import Name, named

_DEADLINE = 15.0  # seconds; the server's statement_timeout of 10 s ends the query first
_MOST_ROWS = 20_000
# With only pg_catalog in the search path, names are printed with their schema, and no object of the application can
# shadow one of the server's.
_ASKING = """
SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s';
SET LOCAL search_path = pg_catalog;
WITH named AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
), relations AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind
    FROM pg_class c JOIN named n ON n.oid = c.relnamespace
), tables AS (
    SELECT * FROM relations WHERE relkind IN ('r', 'p', 'f')
)
"""
_TABLES = """
    SELECT 'table' AS kind, name,
           CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'foreign table' END AS detail
    FROM tables
    UNION ALL
    SELECT 'column', t.name || '.' || a.attname,
           format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'constraint', t.name || '.' || c.conname, pg_get_constraintdef(c.oid)
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT 'enum', n.nspname || '.' || t.typname, string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
    FROM pg_type t JOIN named n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
    GROUP BY n.nspname, t.typname
"""
#: The kinds of rows that a release's snapshot holds.
_OF_TABLES = ("table", "column", "constraint", "enum")
# The rows that a release's snapshot omits. A round trip must restore them too: they can change while names stay.
_MORE = """
    SELECT 'index' AS kind, r.name, pg_get_indexdef(r.oid) AS detail FROM relations r WHERE relkind IN ('i', 'I')
    UNION ALL
    SELECT 'default', r.name || '.' || a.attname, pg_get_expr(d.adbin, d.adrelid)
    FROM relations r JOIN pg_attrdef d ON d.adrelid = r.oid
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.adnum
    UNION ALL
    SELECT 'trigger', r.name || '.' || t.tgname, pg_get_triggerdef(t.oid)
    FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'view', r.name, md5(pg_get_viewdef(r.oid)) FROM relations r WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT 'sequence', r.name, '' FROM relations r WHERE relkind = 'S'
    UNION ALL
    SELECT 'partition', r.name, p.name || ' ' || pg_get_expr(c.relpartbound, c.oid)
    FROM relations r JOIN pg_class c ON c.oid = r.oid JOIN pg_inherits i ON i.inhrelid = r.oid
    JOIN relations p ON p.oid = i.inhparent WHERE c.relpartbound IS NOT NULL
"""
_IN_ORDER = 'kind, name COLLATE "C", detail COLLATE "C"'
_CATALOG = f"""{_ASKING} SELECT kind, name, detail FROM ({_TABLES}) found
ORDER BY {_IN_ORDER} LIMIT {_MOST_ROWS + 1}"""  # noqa: S608 - built from constants only
#: The query whose rows `whole_catalog_in` reads. The rows of `_MORE` come first.
WHOLE_CATALOG = f"""{_ASKING} SELECT kind, name, detail FROM ({_MORE} UNION ALL {_TABLES}) found
ORDER BY kind IN {_OF_TABLES}, {_IN_ORDER} LIMIT {2 * _MOST_ROWS + 1}"""  # noqa: S608 - as above


_PARTITIONS = """
SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL search_path = pg_catalog;
SELECT n.nspname, c.relname, m.nspname, p.relname FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace m ON m.oid = p.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') ORDER BY 1, 2 LIMIT 20001
"""


class Asked(Protocol):
    """A database that answers queries: production, or a copy of its schema."""

    def ask(self, query: str, *, deadline: float | None = None) -> list[list[str]]:
        """Return the rows of `query`, as text. Raises Inconclusive when the database does not answer."""


def catalog_of(database: Asked) -> list[tuple[str, ...]]:
    """Return the catalog's rows (kind, name, detail), always in the same order.

    Raises Inconclusive when the database does not answer in time, or when the catalog has more than 20,000 rows.
    """
    return _few_enough(database.ask(_CATALOG, deadline=_DEADLINE))


def whole_catalog_of(database: Asked) -> list[tuple[str, ...]]:
    """Return the catalog plus indexes, defaults, triggers, views, sequences and partition bounds.

    Raises Inconclusive as `catalog_of` does. The additional rows have a limit of 20,000 of their own.
    """
    return whole_catalog_in(database.ask(WHOLE_CATALOG, deadline=_DEADLINE))


def whole_catalog_in(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the whole catalog from the `rows` of `WHOLE_CATALOG`. Raises Inconclusive when there are too many."""
    found = [tuple(row) for row in rows]
    _few_enough(catalog_in(found))
    _few_enough([row for row in found if row[0] not in _OF_TABLES])
    return found


def catalog_in(whole: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the rows of `catalog_of`, taken from a `whole` catalog."""
    return [row for row in whole if row[0] in _OF_TABLES]


def _few_enough(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    if len(rows) > _MOST_ROWS:
        raise Inconclusive(
            f"the catalog has more than {_MOST_ROWS} rows, which is the limit",
            "check why the database has so many tables",
        )
    return [tuple(row) for row in rows]


def partitions_of(database: Asked) -> dict[Name, Name]:
    """Return the parent table of each partition and each inheriting table.

    Raises Inconclusive when the database does not answer, or when there are more than 20,000.
    """
    rows = database.ask(_PARTITIONS, deadline=_DEADLINE)
    if len(rows) > _MOST_ROWS:
        raise Inconclusive(
            f"there are more than {_MOST_ROWS} partitions", "check why the database has so many partitions"
        )
    return {named(row[0], row[1]): named(row[2], row[3]) for row in rows}


def differences(before: Sequence[tuple[str, ...]], after: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the differences, in words. Removed objects come first, then changed ones, then new ones.

    >>> differences([("column", "public.a.b", "text")], [("column", "public.a.b", "integer")])
    ['column public.a.b is integer, was text']
    """
    was, now = _beyond(before, after), _beyond(after, before)
    lost = [f"{' '.join(key)} is missing" for key in was if key not in now]
    changed = [f"{' '.join(key)} is {now[key]}, was {was[key]}" for key in was if key in now]
    made = [f"{' '.join(key)} is new" for key in now if key not in was]
    return [*lost, *changed, *made]


def _beyond(rows: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> dict[tuple[str, str], str]:
    """Return the rows that `others` lacks: the detail by kind and name."""
    known = set(others)
    return {(row[0], row[1]): row[2] for row in rows if row not in known}
