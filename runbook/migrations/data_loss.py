"""What SQL would destroy on this database: each table, column or statement with how many rows it concerns now."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from runbook.errors import RunbookError
from runbook.migrations.database import Database
from runbook.migrations.destructive_sql import Harm, How, harms
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name


@dataclass(frozen=True)
class Loss:
    """What would go; `rows` hold values in it now, at most, and None when that is not known.

    `what` names it in words, and is the same whenever the same SQL is looked at.
    """

    what: str
    rows: int | None

    def __str__(self) -> str:
        return f"{self.what}: {'an unknown number of' if self.rows is None else self.rows} rows hold values"


def unknown(why: str) -> Loss:
    """A loss that nobody can name closer, since `why`; it must be accepted as such."""
    return Loss(f"unknown loss ({why})", None)


def named(sql: str, database: Database, bookkeeping: Name = BOOKKEEPING) -> list[Loss]:
    """Everything that `sql` would destroy or overwrite, with what it holds now, each once; the statements stay unrun.

    What the catalog does not know by that name (it is renamed on the way, say), or cannot count in time, counts as
    unknown, not as empty. Raises Inconclusive when the database does not answer at all.
    """
    found = harms(sql, bookkeeping)
    columns = database.columns() if found else {}
    losses: dict[str, Loss] = {}
    seen: set[tuple[Name | None, str | None]] = set()
    for harm in found:
        # A column that was given another type on the way is no longer what the catalog says.
        again = (harm.table, harm.column) in seen
        seen.add((harm.table, harm.column))
        if harm.how is How.RETYPED and not again and not harm.moved and _widens(harm, database):
            continue
        for loss in _losses(harm, database, columns):
            losses.setdefault(loss.what, loss)
    return list(losses.values())


def _losses(harm: Harm, database: Database, columns: dict[str, set[str]]) -> Iterable[Loss]:
    if harm.table is None:
        yield unknown(harm.statement)
        return
    table, column = str(harm.table), harm.column
    rows = None
    if not harm.moved and table in columns and (column is None or column in columns[table]):
        rows = _count(database, table, column)
    what = f"column {table}.{column}" if column else f"table {table}"
    yield Loss(what if harm.how is How.DROPPED else f"{what}, {harm.how}", rows)
    if harm.others:
        try:
            others = database.referring(table)
        except RunbookError:
            yield unknown(f"which tables refer to {table} is not known: {harm.statement}")
            return
        for other in others:
            yield Loss(f"table {other}, by its foreign key to {table}", _count(database, other, None))


def _count(database: Database, table: str, column: str | None) -> int | None:
    try:
        return database.values_held(table, [column] if column else []).get(column or "*")
    except RunbookError:
        return None


_TYPE = re.compile(r"([a-z ]+?)(?:\((\d+)(?:,(\d+))?\))?")
_ALIASES = {
    "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4", "double precision": "float8",
    "character varying": "varchar",
}  # fmt: skip
#: Types that hold every value of another, without modifiers on either side.
_WIDER = {
    "int2": {"int4", "int8", "numeric"},
    "int4": {"int8", "numeric"},
    "int8": {"numeric"},
    "float4": {"float8"},
    "varchar": {"text"},
    "text": {"varchar"},
}


def _widens(harm: Harm, database: Database) -> bool:
    """Tell whether the new type surely holds each value of the old one as it is."""
    try:
        old = _TYPE.fullmatch(database.column_type(str(harm.table), str(harm.column)) or "")
    except RunbookError:
        return False
    if old is None or not harm.becomes:
        return False
    base, had = _ALIASES.get(old[1], old[1]), [int(part) for part in old.groups()[1:] if part]
    new, gets = harm.becomes[0], [int(part) for part in harm.becomes[1:]]
    if not gets:
        return new in _WIDER.get(base, set()) or (new == base and base in {*_WIDER, "numeric"})
    if new != base or not had:
        return False
    if base == "varchar":
        return gets[0] >= had[0]
    before, after = [*had, 0][:2], [*gets, 0][:2]
    return base == "numeric" and after[1] >= before[1] and after[0] - after[1] >= before[0] - before[1]


def more_than(accepted: Sequence[Loss], now: Sequence[Loss], *, unmoved: bool) -> list[Loss]:
    """What of the loss `now` was not in what was `accepted`: something else, or more rows of it.

    An unknown number is the same as before only if the database is surely `unmoved` since.
    """
    known = {loss.what: loss.rows for loss in accepted}

    def covered(loss: Loss) -> bool:
        rows = known.get(loss.what)
        if loss.what not in known or rows is None or loss.rows is None:
            return loss.what in known and unmoved
        return loss.rows <= rows

    return [loss for loss in now if not covered(loss)]


def most(losses: Iterable[Loss]) -> list[Loss]:
    """Each loss once, with the larger number of rows; an unknown number is the largest."""
    found: dict[str, Loss] = {}
    for loss in losses:
        rows = found.setdefault(loss.what, loss).rows
        larger = None if rows is None or loss.rows is None else max(rows, loss.rows)
        found[loss.what] = replace(loss, rows=larger)
    return list(found.values())
