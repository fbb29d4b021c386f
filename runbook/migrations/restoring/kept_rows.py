"""The data that a downgrade drops, saved as SQL: columns with their primary keys, and the rows of tables.

The SQL file puts the data back after the forward-fix, in one transaction: a column's values if a row with the key still
exists, a table's rows if they conflict with no other row. A column that the upgrade fills is restored only where it is
NULL.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pglast import ast

from runbook.migrations.database import Database, literal, quoted
from runbook.migrations.destructive_sql import Harm, How, harms
from runbook.migrations.verdict.statements import statements_of
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name, named

_ONLY_THERE = "only the restore point has it"
_COLUMNS = """
SELECT a.attname, coalesce(a.attnum = ANY (i.indkey), false),
       pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname) IS NOT NULL
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass({table}) AND a.attnum > 0 AND NOT a.attisdropped
  AND to_jsonb(a)->>'attgenerated' IS DISTINCT FROM 's' ORDER BY a.attnum
"""


@dataclass
class Rows:
    """The saved rows of one table: a `whole` dropped table, or dropped `columns` with the primary `key`.

    The values of `counted` columns come from a sequence.
    """

    table: str
    columns: list[str]
    key: list[str]
    whole: bool
    counted: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """The table or columns, in words."""
        return f"table {self.table}" if self.whole else f"{self.table}.{', '.join(self.columns)}"


@dataclass
class Kept:
    """The rows that are saved, in the order in which they are put back, and what is left out, with the reason."""

    rows: list[Rows] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    #: The (table, column) pairs that the upgrade fills with new values.
    filled: set[tuple[str, str]] = field(default_factory=set)


def kept_of(downgrade: str, upgrade: str, database: Database, bookkeeping: Name = BOOKKEEPING) -> Kept:
    """Return which part of the data that `downgrade` destroys can be saved. Neither SQL is executed.

    Raises Inconclusive when the database does not answer.
    """
    found = Kept(filled=set(_filled(upgrade)))
    columns: dict[str, list[str]] = {}
    tables: list[str] = []
    for harm in harms(downgrade, bookkeeping):
        if harm.how is not How.DROPPED or harm.renamed or harm.table is None:
            found.left_out.append(f"{_what(harm)}: {_ONLY_THERE}")
        elif harm.column is None:
            tables.append(str(harm.table))
        else:
            columns.setdefault(str(harm.table), []).append(harm.column)
    for table in reversed(tables):  # a downgrade drops child tables first, so parents are put back first
        there = _columns(database, table)
        if there:
            counted = [name for name, column in there.items() if column.counted]
            found.rows.append(Rows(table, list(there), [], whole=True, counted=counted))
        else:
            found.left_out.append(f"table {table}: the database has no such table")
    for table, names in columns.items():
        if table not in tables:
            _keep_columns(found, table, names, _columns(database, table))
    return found


def _keep_columns(found: Kept, table: str, names: list[str], there: "dict[str, _Column]") -> None:
    key = [name for name, column in there.items() if column.in_key]
    wanted = [name for name in names if name in there and name not in key]
    if not key or set(key) & set(names):
        found.left_out.append(f"{table}.{', '.join(names)}: {table} keeps no primary key; {_ONLY_THERE}")
    elif wanted:
        found.rows.append(Rows(table, wanted, key, whole=False))
    else:
        found.left_out.append(f"{table}.{', '.join(names)}: the database has no such column")


def _what(harm: Harm) -> str:
    if harm.table is None:
        return harm.statement
    name = f"{harm.table}.{harm.column}" if harm.column else f"table {harm.table}"
    return f"{name}, a name that the downgrade itself assigns" if harm.renamed else f"{name}, {harm.how}"


def _filled(upgrade: str) -> Iterator[tuple[str, str]]:
    for statement in statements_of(upgrade):
        node: Any = statement.node
        if isinstance(node, ast.UpdateStmt) and node.relation is not None:
            table = str(named(node.relation.schemaname, str(node.relation.relname)))
            yield from ((table, str(target.name)) for target in node.targetList or ())


class _Column(NamedTuple):
    """Whether a column is part of the primary key, and whether its values come from a sequence."""

    in_key: bool
    counted: bool


def _columns(database: Database, table: str) -> dict[str, _Column]:
    """Return the columns of a table, without generated ones."""
    rows = database.ask(_COLUMNS.format(table=literal(_quoted(table))))
    return {name: _Column(in_key == "t", counted == "t") for name, in_key, counted in rows}


def statements(kept: Kept) -> list[str]:
    """Return the queries whose concatenated output is the file: SQL for psql that puts the rows back."""
    lines = ["\\set ON_ERROR_STOP on", "BEGIN;"]
    found: list[str] = []
    for number, rows in enumerate(kept.rows, 1):
        temporary, table = f"kept_{number}", _quoted(rows.table)
        names = ", ".join(map(quoted, [*rows.key, *rows.columns]))
        lines += [
            f"CREATE TEMPORARY TABLE {temporary} ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA;",  # noqa: S608 - quoted
            f"COPY {temporary} FROM STDIN;",
        ]
        found += [_printing(lines), f"COPY (SELECT {names} FROM {table}) TO STDOUT"]  # noqa: S608 - quoted
        lines = ["\\.", *(_table_back(rows, temporary) if rows.whole else _columns_back(rows, temporary, kept.filled))]
    return [*found, _printing([*lines, "COMMIT;"])]


def _printing(lines: list[str]) -> str:
    return f"SELECT {literal(chr(10).join(lines))}"


def _table_back(rows: Rows, temporary: str) -> Iterator[str]:
    table, names = _quoted(rows.table), ", ".join(map(quoted, rows.columns))
    insert = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {temporary}"  # noqa: S608 - quoted
    yield f"{insert} ON CONFLICT DO NOTHING;"
    for column in rows.counted:
        # The sequence must not issue the restored IDs again.
        largest = f"SELECT max({quoted(column)})::text::bigint FROM {table}"  # noqa: S608 - quoted
        sequence = f"pg_get_serial_sequence({literal(table)}, {literal(column)})"
        yield f"SELECT setval(s, greatest(nextval(s), ({largest}))) FROM {sequence} s WHERE s IS NOT NULL;"  # noqa: S608 - quoted
    same = " AND ".join(
        f"now.{each}::text IS NOT DISTINCT FROM kept.{each}::text" for each in map(quoted, rows.columns)
    )
    there = f"count(*) FILTER (WHERE EXISTS (SELECT FROM {table} now WHERE {same}))"
    yield _counting(rows.told, f"{temporary} kept", ("count(*)", "rows were kept"), (there, "of them are in the table"))


def _columns_back(rows: Rows, temporary: str, filled: set[tuple[str, str]]) -> Iterator[str]:
    table, key = _quoted(rows.table), quoted(rows.key[0])
    joined = " AND ".join(f"now.{quoted(name)} = kept.{quoted(name)}" for name in rows.key)
    for column in rows.columns:
        name = quoted(column)
        differs = f"now.{name}::text IS DISTINCT FROM kept.{name}::text"
        unless = f" AND now.{name} IS NULL" if (rows.table, column) in filled else ""
        update = f"UPDATE {table} now SET {name} = kept.{name} FROM {temporary} kept"  # noqa: S608 - quoted
        yield f"{update} WHERE {joined} AND {differs}{unless};"
        yield _counting(
            f"{rows.table}.{column}",
            f"{temporary} kept LEFT JOIN {table} now ON {joined}",
            ("count(*)", "values were kept"),
            (f"count(*) FILTER (WHERE NOT {differs} AND now.{key} IS NOT NULL)", "of them are in the table"),
            (f"count(*) FILTER (WHERE now.{key} IS NULL)", "belong to rows that no longer exist"),
        )


def _counting(what: str, source: str, *counts: tuple[str, str]) -> str:
    told = " || ', ' || ".join(f"{number} || {literal(f' {words}')}" for number, words in counts)
    return f"SELECT {literal(f'{what}: ')} || {told} FROM {source};"  # noqa: S608 - quoted


def _quoted(table: str) -> str:
    return ".".join(map(quoted, table.split(".")))
