"""The SQL that an application's code runs on its mapped tables, and the errors that a database gives for it.

An ORM selects, inserts and updates the columns that it maps, by name, leaves other columns to the database, and deletes
rows. psql runs these statements in two rounds, in one transaction that is rolled back. The first round has no triggers
and no foreign keys, because the values are made up: a statement refused there is refused whatever data the database
holds. The second round has both. It inserts two rows into each table, parents first according to the models' foreign
keys.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from runbook.migrations.database import quoted
from runbook.migrations.image.mapped_models import ForeignKey, MappedTable, Models
from runbook.migrations.verdict.sample_values import comparable, largest, sample

#: Errors that occur with any value: no such column, no such table.
NAMES_GONE = {"42703", "42P01"}
#: Errors that occur with any value, if the earlier schema accepted it: NULL in a NOT NULL column, a value for a
#: generated column, a view that is not writable.
WRITES_REFUSED = {"23502", "428C9", "55000"}
#: Errors for a value that fits the declared type but is too long or too large for the column.
TOO_SMALL = {"22001", "22003"}


class Kind(Enum):
    """The purpose of a statement, as far as it affects what a refusal proves."""

    ANY = "anything"
    LARGEST = "the largest value that the code may write"
    INSERT = "a row, with triggers and foreign keys"
    SECOND = "a second row that differs in every value that the code writes"
    BACK = "the row read back as it was written"
    DELETE = "a delete, with triggers and foreign keys"


@dataclass(frozen=True)
class CodeStatement:
    """One statement that the code runs: its purpose in words, its table and its SQL.

    Later statements see the effect of a `kept` one. `fired` statements run in the second round, with triggers and
    foreign keys.
    """

    what: str
    table: str
    sql: str
    kept: bool = True
    kind: Kind = Kind.ANY
    fired: bool = False


@dataclass(frozen=True)
class Refused:
    """A statement that the database refused, with the SQLSTATE and PostgreSQL's message."""

    statement: CodeStatement
    state: str
    message: str


def statements_of_models(models: Models) -> list[CodeStatement]:
    """Return every statement that the code runs on its mapped tables."""
    return [*(each for table in models.tables for each in _of_table(table)), *_fired(models)]


def _of_table(table: MappedTable) -> Iterator[CodeStatement]:
    name, shown = _name(table), _shown(table)

    def told(what: str, sql: str, *, kept: bool = True, kind: Kind = Kind.ANY) -> CodeStatement:
        return CodeStatement(f"{what} {shown}", shown, sql, kept, kind)

    every = ", ".join(quoted(column.name) for column in table.columns)
    yield told("SELECT of", f"SELECT {every} FROM {name} LIMIT 0")  # noqa: S608 - quoted, as all names here are
    full = _row(table, 0)
    if full is not None:
        empty = {each.name for each in table.columns if each.nullable and not each.client_default}
        little = {column: "NULL" if column in empty else value for column, value in full.items()}
        # Not kept: the second row would have the same key.
        yield told("INSERT without optional columns into", _insert(name, little), kept=False)
        yield told("INSERT into", _insert(name, full))
    for number, column in enumerate(table.columns, 1):
        value, most = sample(column, number), largest(column)
        update = f"UPDATE {name} SET {quoted(column.name)} ="  # noqa: S608 - quoted
        if not column.primary_key and value is not None:
            yield told(f"UPDATE of {column.name} in", f"{update} {value}")
        if not column.primary_key and most is not None and full is not None:
            what = f"UPDATE of {column.name} to {Kind.LARGEST.value} in"
            yield told(what, f"{update} {most}", kept=False, kind=Kind.LARGEST)
    yield told("DELETE from", f"DELETE FROM {name}")  # noqa: S608 - quoted


def _row(table: MappedTable, row: int) -> dict[str, str] | None:
    """Return the values that the code writes into a row, or None if a required value cannot be made up."""
    found = {}
    for number, column in enumerate(table.columns, 1):
        value = sample(column, number, row)
        if value is None and not column.nullable and not column.server_default:
            return None
        if not column.server_default:
            found[column.name] = value or "NULL"
    return found


def _fired(models: Models) -> Iterator[CodeStatement]:
    """Yield the second round: two rows per table, inserted parents first, read back, updated, deleted parents last."""
    ordered = [table for table in _parents_first(models) if _row(table, 0) is not None]
    by_name = {(table.schema, table.name): table for table in models.tables}
    for table in ordered:
        yield from _rows(table, by_name)
    acts = {
        (key.schema, key.table) for table in models.tables for key in table.foreign_keys or () if key.on_delete.acts
    }
    for table in ordered:
        if (table.schema, table.name) in acts:
            yield _delete(table, kept=False)
    for table in reversed(ordered):
        yield _delete(table, kept=True)


def _delete(table: MappedTable, *, kept: bool) -> CodeStatement:
    which = "DELETE from" if kept else "DELETE of referenced rows from"
    sql = f"DELETE FROM {_name(table)}"  # noqa: S608 - quoted
    return CodeStatement(f"{which} {_shown(table)} at the end", _shown(table), sql, kept, Kind.DELETE, fired=True)


def _rows(table: MappedTable, by_name: dict[tuple[str | None, str], MappedTable]) -> Iterator[CodeStatement]:
    name, shown = _name(table), _shown(table)
    rows = [_pointing(table, _row(table, row) or {}, by_name, row) for row in (0, 1)]
    apart = all(rows[0][column] != rows[1][column] or rows[0][column] == "NULL" for column in rows[0])
    for row, kind in zip(rows, (Kind.INSERT, Kind.SECOND if apart else Kind.INSERT), strict=True):
        yield CodeStatement(
            f"INSERT of row {rows.index(row) + 1} into {shown}", shown, _insert(name, row), kind=kind, fired=True
        )
    own = _row(table, 0) or {}
    written = {each: own[each] for each in own if comparable(table.by_name[each]) and rows[0][each] == own[each]}
    if written:
        where = " AND ".join(f"{quoted(column)} IS NOT DISTINCT FROM {value}" for column, value in written.items())
        sql = f"SELECT 1 / count(*) FROM {name} WHERE {where}"  # noqa: S608 - quoted
        yield CodeStatement(f"SELECT of the row written to {shown}", shown, sql, kind=Kind.BACK, fired=True)
    again = [quoted(column) for column in rows[0] if not table.by_name[column].primary_key]
    if again:
        sql = f"UPDATE {name} SET {', '.join(f'{each} = {each}' for each in again)}"  # noqa: S608 - quoted
        yield CodeStatement(f"UPDATE of all columns in {shown}", shown, sql, fired=True)


def _pointing(
    table: MappedTable, row: dict[str, str], by_name: dict[tuple[str | None, str], MappedTable], number: int
) -> dict[str, str]:
    """Return the row with its foreign keys set to an existing row of the parent table, at offset `number`."""
    found = dict(row)
    for key in table.foreign_keys or ():
        above = by_name.get((key.schema, key.table or ""))
        for column, pointed_to in zip(key.columns, _pointed_to(key, above), strict=False):
            if column in row and above is not None:
                there = f"SELECT {quoted(pointed_to)} FROM {_name(above)} ORDER BY 1 OFFSET {number} LIMIT 1"  # noqa: S608 - quoted
                found[column] = f"({there})"
    return found


def _pointed_to(key: ForeignKey, above: MappedTable | None) -> Sequence[str]:
    """Return the columns that a key references: those named in the models, otherwise the parent's primary key."""
    if key.points_to is not None or above is None:
        return key.points_to or ()
    own = [column.name for column in above.columns if column.primary_key]
    return own if len(own) == len(key.columns) else ()


def _parents_first(models: Models) -> list[MappedTable]:
    """Sort the tables, parents first. In a cycle, only NOT NULL foreign keys decide, if that breaks the cycle."""
    left, ordered = list(models.tables), []
    while left:
        there = {(table.schema, table.name) for table in left}
        for must in (False, True):
            free = [table for table in left if not _points_to(table, must=must) & there - {(table.schema, table.name)}]
            if free:
                break
        free = free or left[:1]
        ordered += free
        left = [table for table in left if table not in free]
    return ordered


def _points_to(table: MappedTable, *, must: bool) -> set[tuple[str | None, str | None]]:
    """Return the tables that a table references. With `must`, only those referenced by NOT NULL columns."""
    nullable = {column.name for column in table.columns if column.nullable}
    return {(key.schema, key.table) for key in table.foreign_keys or () if not (must and nullable & set(key.columns))}


def _name(table: MappedTable) -> str:
    return ".".join(quoted(part) for part in (table.schema, table.name) if part)


def _shown(table: MappedTable) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name


def _insert(name: str, row: dict[str, str]) -> str:
    if not row:
        return f"INSERT INTO {name} DEFAULT VALUES"
    return f"INSERT INTO {name} ({', '.join(map(quoted, row))}) VALUES ({', '.join(row.values())})"  # noqa: S608 - quoted


def script(statements: Sequence[CodeStatement], marker: str, search_path: str, *, triggers: bool = False) -> str:
    """Return the psql input that tries each statement in turn. A line with its result starts with `marker`.

    `marker` is a random word. Set `triggers` for views that are writable only through triggers: the first round then
    runs with triggers too.
    """
    role = "origin" if triggers else "replica"
    lines = [
        "BEGIN;", f"SET LOCAL session_replication_role = {role};", "SET LOCAL statement_timeout = '10s';",
        f"SET LOCAL search_path = {search_path};" if search_path else "", "SAVEPOINT untouched;",
    ]  # fmt: skip
    second = False
    for number, statement in enumerate(statements):
        if statement.fired and not second:
            second = True
            lines += ["ROLLBACK TO SAVEPOINT untouched;", "SET LOCAL session_replication_role = origin;"]
        well = f"{'RELEASE' if statement.kept else 'ROLLBACK TO'} SAVEPOINT tried;"
        lines += [
            "SAVEPOINT tried;", f"{statement.sql};", rf"\echo {marker} {number} :SQLSTATE :LAST_ERROR_MESSAGE",
            r"\if :ERROR", "ROLLBACK TO SAVEPOINT tried;", r"\else", well, r"\endif",
        ]  # fmt: skip
    return "\n".join([*lines, "ROLLBACK;"]) + "\n"


def refused(statements: Sequence[CodeStatement], marker: str, told: str) -> list[Refused]:
    """Return the refused statements, read from psql's output `told` for `script`.

    Raises ValueError when a statement has no result.
    """
    lines = re.finditer(rf"^{re.escape(marker)} (\d+) (\w{{5}})(.*)$", told, re.MULTILINE)
    answers = {int(found[1]): (found[2], found[3].strip()) for found in lines}
    if len(answers) != len(statements):
        raise ValueError(f"{len(answers)} of {len(statements)} statements were answered")
    return [
        Refused(statement, *answers[number])
        for number, statement in enumerate(statements)
        if answers[number][0] != "00000"
    ]


def taken(statements: Sequence[CodeStatement], now: Sequence[Refused]) -> frozenset[str]:
    """Return the tables that got rows, with triggers and foreign keys, and refused no statement."""
    written = {each.table for each in statements if each.kind in {Kind.INSERT, Kind.SECOND}}
    return frozenset(written - {each.statement.table for each in now})


def compared(
    now: Sequence[Refused], then: Sequence[Refused] | None
) -> tuple[list[Refused], list[Refused], list[Refused]]:
    """Compare the statements refused `now` with those refused `then`, on the schema that the code was written for.

    `then` is None if that schema was not available. Returns three lists: statements that fail with any value;
    statements whose names are missing in both schemas, so that the earlier schema is not the code's either; and
    statements whose refusal proves nothing. Others that are refused on both schemas are left out: the migrations did
    not cause that.
    """
    before = {each.statement: each.state for each in then or ()}
    gone = [each for each in now if each.state in NAMES_GONE and before.get(each.statement) in NAMES_GONE]
    breaks, doubtful = [], []
    for each in now:
        if each in gone or before.get(each.statement) == each.state:
            continue
        if _certain(each, now, known=then is not None):
            breaks.append(each)
        elif each.statement not in before and each.statement.kind not in {Kind.LARGEST, Kind.BACK}:
            doubtful.append(each)
    first = {(each.statement.table, each.state) for each in breaks if not each.statement.fired}
    told = [each for each in breaks if not each.statement.fired or (each.statement.table, each.state) not in first]
    return told, gone, doubtful


def _certain(found: Refused, now: Sequence[Refused], *, known: bool) -> bool:
    """Return whether the statement fails with any value. If the earlier schema is not `known`, only names prove it."""
    if found.state in NAMES_GONE or not known:
        return found.state in NAMES_GONE
    here = [
        each
        for each in now
        if each.statement.table == found.statement.table and each.statement.kind in {Kind.INSERT, Kind.SECOND}
    ]
    match found.statement.kind, found.state:
        case (Kind.SECOND, "23505"):
            return here == [found]
        case (Kind.BACK, "22012"):
            return not here
        case (Kind.INSERT | Kind.SECOND, "P0001"):  # raised by a trigger for any row
            return len(here) == 2 and all(each.state == "P0001" for each in here)
        case (kind, state):
            return state in WRITES_REFUSED | TOO_SMALL or (kind is Kind.DELETE and state == "23503")
