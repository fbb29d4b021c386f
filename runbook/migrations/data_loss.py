"""The data that SQL would destroy in this database: tables, columns or statements, each with its current row count."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runbook.errors import RunbookError
from runbook.incident.schema_facts import Loss
from runbook.migrations.database import Database
from runbook.migrations.destructive_sql import Harm, How, harms
from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name


def unknown_loss(why: str) -> Loss:
    """Return a loss of unknown extent, for the reason `why`. A person must accept it as unknown.

    >>> print(unknown_loss("no answer"))
    unknown loss (no answer): an unknown number of rows hold values
    """
    return Loss(f"unknown loss ({why})", None)


def losses_of(sql: str, database: Database, bookkeeping: Name = BOOKKEEPING) -> list[Loss]:
    """Return everything that `sql` would destroy or overwrite, each item once, with its current row count.

    `sql` is not executed. The row count is None (unknown) if the database has no such table or column, if `sql` renames
    it first, or if the count fails or times out. Raises Inconclusive when the database does not answer.
    """
    found = harms(sql, bookkeeping)
    columns = database.columns() if found else {}
    losses: dict[str, Loss] = {}
    earlier: set[tuple[Name | None, str | None]] = set()
    for harm in found:
        # The type that the database reports is valid only for the first change of a column.
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
            yield unknown_loss(f"the tables that reference {table} are unknown: {harm.statement}")
            return
        for other in others:
            yield Loss(f"table {other}, through its foreign key to {table}", _count(database, other, None))


def _count(database: Database, table: str, column: str | None) -> int | None:
    try:
        return database.values_held(table, [column] if column else []).get(column or "*")
    except RunbookError:
        return None


#: For each type, the types that can hold all of its values. Both sides are without modifiers.
_WIDER = {
    "int2": {"int4", "int8", "numeric"}, "int4": {"int8", "numeric"}, "int8": {"numeric"}, "float4": {"float8"},
    "varchar": {"text"}, "text": {"varchar"}, "numeric": set(),
}  # fmt: skip


def _widens(harm: Harm, database: Database) -> bool:
    """Return whether the new type is certain to hold every old value unchanged."""
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
    """Return the losses in `now` that go beyond the `accepted` ones: new items, or more rows.

    An unknown row count is covered only if the database is known to be `unchanged` since the acceptance.

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
    """Return each loss once, with its largest row count. An unknown count (None) is the largest."""
    found: dict[str, Loss] = {}
    for loss in losses:
        rows = found.setdefault(loss.what, loss).rows
        larger = None if rows is None or loss.rows is None else max(rows, loss.rows)
        found[loss.what] = replace(loss, rows=larger)
    return list(found.values())
