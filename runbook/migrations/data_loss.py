"""What SQL would destroy in this database: each table, column or statement, with how many rows it concerns now."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runbook.errors import RunbookError
from runbook.incident.facts import Loss
from runbook.migrations.database import Database
from runbook.migrations.destructive_sql import Harm, How, harms
from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name


def unknown_loss(why: str) -> Loss:
    """A loss that cannot be named, because of `why`; it must be accepted as such.

    >>> print(unknown_loss("no answer"))
    unknown loss (no answer): an unknown number of rows hold values
    """
    return Loss(f"unknown loss ({why})", None)


def losses_of(sql: str, database: Database, bookkeeping: Name = BOOKKEEPING) -> list[Loss]:
    """Everything that `sql` would destroy or overwrite, each once, with what it holds now. Nothing of `sql` is run.

    What the database does not know by that name (because it is renamed by then, say), or cannot count in time, counts
    as unknown, not as empty. Raises Inconclusive when the database does not answer at all.
    """
    found = harms(sql, bookkeeping)
    columns = database.columns() if found else {}
    losses: dict[str, Loss] = {}
    earlier: set[tuple[Name | None, str | None]] = set()
    for harm in found:
        # The database tells the type of a column only before its first change.
        first = (harm.table, harm.column) not in earlier
        earlier.add((harm.table, harm.column))
        if harm.how is How.RETYPED and first and not harm.renamed and _widens(harm, database):
            continue
        for loss in _losses(harm, database, columns):
            losses.setdefault(loss.what, loss)
    return list(losses.values())


def _losses(harm: Harm, database: Database, columns: dict[str, set[str]]) -> Iterable[Loss]:
    if harm.table is None:
        yield unknown_loss(harm.statement)
        return
    table, column = str(harm.table), harm.column
    rows = None
    if not harm.renamed and table in columns and (column is None or column in columns[table]):
        rows = _count(database, table, column)
    what = f"column {table}.{column}" if column else f"table {table}"
    yield Loss(what if harm.how is How.DROPPED else f"{what}, {harm.how}", rows)
    if harm.cascades:
        try:
            others = database.referring(table)
        except RunbookError:
            yield unknown_loss(f"which tables refer to {table} is not known: {harm.statement}")
            return
        for other in others:
            yield Loss(f"table {other}, by its foreign key to {table}", _count(database, other, None))


def _count(database: Database, table: str, column: str | None) -> int | None:
    try:
        return database.values_held(table, [column] if column else []).get(column or "*")
    except RunbookError:
        return None


#: Types, and those that hold every value of theirs, without modifiers on either side.
_WIDER = {
    "int2": {"int4", "int8", "numeric"}, "int4": {"int8", "numeric"}, "int8": {"numeric"}, "float4": {"float8"},
    "varchar": {"text"}, "text": {"varchar"}, "numeric": set(),
}  # fmt: skip


def _widens(harm: Harm, database: Database) -> bool:
    """Tell whether the new type surely holds each value of the old one as it is."""
    try:
        old = of_text(database.column_type(str(harm.table), str(harm.column)) or "")
    except RunbookError:
        return False
    new = harm.new_type
    if old is None or old.array or old.schema or new is None or old.name not in _WIDER:
        return False
    if not new.mods:
        return new.name == old.name or new.name in _WIDER[old.name]
    if new.name != old.name or not old.mods:
        return False
    if new.name == "varchar":
        return new.mods[0] >= old.mods[0]
    before, after = [*old.mods, 0][:2], [*new.mods, 0][:2]
    return new.name == "numeric" and after[1] >= before[1] and after[0] - after[1] >= before[0] - before[1]


def beyond_accepted(accepted: Sequence[Loss], now: Sequence[Loss], *, unchanged: bool) -> list[Loss]:
    """The part of `now` that was not in what was `accepted`: something else, or more rows of it.

    An unknown number counts as accepted only if the database is surely `unchanged` since.

    >>> [str(loss) for loss in beyond_accepted([Loss("table a", 3)], [Loss("table a", 4)], unchanged=False)]
    ['table a: 4 rows hold values']
    """
    rows_accepted = {loss.what: loss.rows for loss in accepted}

    def covered(loss: Loss) -> bool:
        rows = rows_accepted.get(loss.what)
        if loss.what not in rows_accepted or rows is None or loss.rows is None:
            return loss.what in rows_accepted and unchanged
        return loss.rows <= rows

    return [loss for loss in now if not covered(loss)]


def largest(losses: Iterable[Loss]) -> list[Loss]:
    """Each loss once, with the larger number of rows; an unknown number is the largest."""
    found: dict[str, Loss] = {}
    for loss in losses:
        rows = found.setdefault(loss.what, loss).rows
        larger = None if rows is None or loss.rows is None else max(rows, loss.rows)
        found[loss.what] = replace(loss, rows=larger)
    return list(found.values())
