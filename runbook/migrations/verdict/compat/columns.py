"""Rules for a changed column, for code that reads and writes its mapped columns and leaves out all others.

The code selects its mapped columns by name, so other columns do not affect it. An INSERT that leaves out a column gets
the column's default, or NULL (https://www.postgresql.org/docs/current/sql-insert.html), which NOT NULL refuses.
"""

from collections.abc import Iterator

from runbook.migrations.image.mapped_models import MappedColumn
from runbook.migrations.verdict.column_types import SqlType, change, of_text
from runbook.migrations.verdict.defaults import differs_each_time
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Asks, Finding, Verdict
from runbook.migrations.verdict.schema_delta import Column, Default, SchemaDelta, Table, found
from runbook.migrations.verdict.table_names import TableUse, named

Judged = tuple[Verdict, str] | tuple[Verdict, str, Asks | None]
_FILLED = {Default.SURE, Default.IDENTITY, Default.IDENTITY_ALWAYS}


def judge_columns(delta: SchemaDelta, table: Table, use: TableUse) -> Iterator[Finding]:
    """Judge every column that the range touches in a table that existed before."""
    for column in (*table.gone.values(), *table.columns.values()):
        for aspect, judged in _aspects(delta, table, column, use):
            thing = f"{table.name}.{column.origin or column.name}"
            verdict, reason, *asks = review_if_use_unknown(judged, use)
            yield found(column.statement(aspect), verdict, thing, reason, *asks)


def _aspects(delta: SchemaDelta, table: Table, column: Column, use: TableUse) -> Iterator[tuple[str, Judged]]:
    mapped = _mapped(use, column.origin)
    if column.origin is None:
        yield "added", _added(delta, table, column, use)
        return
    if "dropped" in column.by:
        yield "dropped", _unreachable(table, column, use)
        return
    if column.name != column.origin:
        yield "renamed", _unreachable(table, column, use)
    if column.type is not None:
        yield "type", _retyped(delta, table, column, mapped, use)
    if column.not_null is not None:
        judged = refuses_null(column, mapped, use) if column.not_null else _takes_null(mapped, use)
        yield "not null", _or_tried(judged, mapped, use)
    if column.default is not None:
        yield "default", _or_tried(_redefaulted(table, column, mapped, use), mapped, use)


def _or_tried(judged: Judged, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """Add a question to a doubt about a column that the code leaves out: one INSERT on a copy decides it for all."""
    if judged[0] is not REVIEW or mapped is not None or use.table is None:
        return judged
    return REVIEW, judged[1], Asks(use.table.name, schema=use.table.schema, copy=True)


def review_if_use_unknown(judged: Judged, use: TableUse) -> Judged:
    """Return a judgment that assumes that the table is used, changed to `review` if that is unknown."""
    verdict, reason, *_ = judged
    return judged if verdict is ADDITIVE or not use.unknown else (REVIEW, f"{reason}; {use.unknown}")


def _mapped(use: TableUse, origin: str | None) -> MappedColumn | None:
    return use.table.by_name.get(origin) if use.table is not None and origin is not None else None


def _added(delta: SchemaDelta, table: Table, column: Column, use: TableUse) -> Judged:  # noqa: PLR0911 - one return per rule
    mapped = _mapped(use, column.name)
    if mapped is not None:
        if column.default in {Default.IDENTITY_ALWAYS, Default.COMPUTED} and not mapped.server_default:
            return BREAKING, "the target's code writes it, and PostgreSQL now refuses any value given for it"
        old = of_text(mapped.type)
        if old is not None and column.type is not None and change(old, column.type)[0] is BREAKING:
            return change(old, column.type)
        if column.name in table.gone or any(other.origin == column.name for other in table.columns.values()):
            return REVIEW, "it was removed and created again, without the values that the target's code wrote"
        return REVIEW, "the target's code maps a column with this name, but only this range creates it"
    if column.not_null and column.default is Default.NONE:
        return BREAKING, "it is NOT NULL without a default, so every INSERT by code that does not know it fails"
    kind = column.type
    if kind is None or not (kind.plain or named(kind.schema, kind.name) in delta.plain_types):
        reason = f"the type {kind} may be a domain that refuses the value that the database puts in the column"
        return _or_tried((REVIEW, reason), mapped, use)
    if column.default in {Default.UNSURE, Default.COMPUTED_UNSURE}:
        return REVIEW, f"an INSERT that leaves it out gets {column.default.value}"
    if column.default is Default.COMPUTED and column.not_null:
        return REVIEW, "its computed value may be NULL, which it refuses"
    if column.default is Default.NONE:
        return ADDITIVE, "code that does not know it does not select it, and an INSERT leaves it NULL"
    return ADDITIVE, "code that does not know it does not select it, and the database fills it on INSERT"


def _unreachable(table: Table, column: Column, use: TableUse) -> Judged:  # noqa: PLR0911 - one return per rule
    how = "dropped" if "dropped" in column.by else f"renamed to {column.name}"
    if use.table is not None and _mapped(use, column.origin) is None:
        if _mapped(use, column.name) is not None and "renamed" in column.by and "dropped" not in column.by:
            return REVIEW, f"it is {how}, the name of another column that the target's code maps"
        return ADDITIVE, f"it is {how}, and the target's code does not map it"
    occupant = table.columns.get(column.origin or "")
    if occupant is not None and occupant.origin is None:
        kept = _mapped(use, column.origin)
        old = of_text(kept.type) if kept is not None else None
        if old is not None and occupant.type is not None and change(old, occupant.type)[0] is BREAKING:
            return BREAKING, f"it is {how}; under its name {change(old, occupant.type)[1]}"
        return REVIEW, f"it is {how}, and another column has taken its name"
    if occupant is not None:
        return BREAKING, f"it is {how}, and the target's code would read {occupant.origin} under its name"
    if use.unknown:
        return REVIEW, f"it is {how}, which breaks code that uses it"
    return BREAKING, f"it is {how}, and the target's code selects and inserts it by its old name"


def _retyped(  # noqa: PLR0911 - one return per rule
    delta: SchemaDelta, table: Table, column: Column, mapped: MappedColumn | None, use: TableUse
) -> Judged:
    new = column.type
    if new is None:
        return REVIEW, "its type is unknown"
    labels = delta.enums.get(named(new.schema, new.name))
    if mapped is not None and labels is not None and not new.array:
        return _to_enum(labels, new, column, mapped, table)
    if use.table is not None and mapped is None:
        if new.plain:
            return ADDITIVE, "the target's code does not map it"
        return REVIEW, f"the type {new} may be a domain that refuses the value that the database puts in the column"
    if mapped is None:
        return REVIEW, f"its type is now {new}, and the type that the code expects is unknown"
    old = of_text(mapped.type)
    if old is None:
        why = f"the type that the code declares, {mapped.type}, is not a PostgreSQL type"
        return REVIEW, f"its type is now {new}, and {why}"
    verdict, reason = change(old, new)
    if verdict is ADDITIVE and column.rewritten:
        return REVIEW, f"its values are recomputed for {new}, or its sort order changes"
    return verdict, reason


def _to_enum(labels: tuple[str, ...], new: SqlType, column: Column, mapped: MappedColumn, table: Table) -> Judged:
    """Judge a column whose new type is an enum that the range made, by the labels that the code knows."""
    old = of_text(mapped.type)
    if mapped.labels is None:
        if old is not None and old.family is not None:
            return BREAKING, f"it accepts only the labels of {new}, but the code may write any {old} value"
        return REVIEW, f"its type is now {new}, and the labels that the code knows are unknown"
    missing = [label for label in mapped.labels if label not in labels]
    if missing:
        return BREAKING, f"the target's code writes and compares {missing[0]!r}, which {new} lacks"
    if old is None or named(old.schema, old.name) != named(new.schema, new.name):
        why = f"which PostgreSQL does not accept as {new} from drivers that send type names"
        return REVIEW, f"the code sends it as {mapped.type}, {why}"
    more = tuple(label for label in labels if label not in mapped.labels)
    if not more:
        return ADDITIVE, f"{new} was created again with the labels that the target's code knows"
    asks = Asks(table.name.name, column.name, table.name.schema, more, some=BREAKING)
    return REVIEW, f"the failed release may have written {more[0]!r}, a value that the code does not know", asks


def _takes_null(mapped: MappedColumn | None, use: TableUse) -> Judged:
    if (use.table is not None and mapped is None) or (mapped is not None and mapped.nullable):
        return ADDITIVE, "NULL there changes nothing for the target's code"
    return REVIEW, "the target's code may read NULL where it expects a value"


def refuses_null(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """Judge a column from before the range that now refuses NULL, by NOT NULL or by a check."""
    if use.table is not None and mapped is None:
        if column.default in _FILLED:
            return ADDITIVE, "the target's code leaves it out, and the database fills it"
        return REVIEW, "the target's code leaves it out, so INSERT fails if it has no default"
    if mapped is None:
        return REVIEW, "it now refuses NULL, which the code may write"
    if not mapped.nullable or mapped.primary_key:
        return ADDITIVE, "the target's code itself declares that it never holds NULL"
    if mapped.client_default or (mapped.server_default and column.default is not Default.NONE):
        return ADDITIVE, "the target's code has a default for it, which is written if it gives no value"
    return BREAKING, "the target's code may leave it NULL, which is now refused, and has no default for it"


def _redefaulted(  # noqa: PLR0911 - one return per rule
    table: Table, column: Column, mapped: MappedColumn | None, use: TableUse
) -> Judged:
    default = column.default
    if default in {Default.UNSURE, Default.COMPUTED_UNSURE}:
        return REVIEW, "an INSERT that leaves it out gets the result of an expression, which may fail"
    if default is Default.IDENTITY_ALWAYS and (mapped is not None or use.unknown):
        if mapped is not None and mapped.server_default and not mapped.client_default:
            return REVIEW, "PostgreSQL refuses an explicit value for it, if the code ever gives one"
        return BREAKING, "the target's code gives it a value, but PostgreSQL accepts only values that it generates"
    if default is not Default.NONE:
        if mapped is not None and (mapped.client_default or not mapped.server_default):
            return ADDITIVE, "the target's code gives it a value itself, so it never sees the default"
        random = mapped is not None and mapped.primary_key and mapped.type.lower() == "uuid"
        if random and differs_each_time(column.default_tree):
            return ADDITIVE, "an INSERT that leaves it out gets a different value each time, as before"
        asks = None
        if default is Default.IDENTITY and mapped is not None:
            name = table.name
            asks = Asks(name.name, column.name, name.schema, numbers=True, some=BREAKING)
        return (
            REVIEW,
            "an INSERT that leaves it out gets a different value, which may already exist or be refused",
            asks,
        )
    return _undefaulted(column, mapped, use)


def _undefaulted(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    if mapped is None:
        if use.table is not None and column.not_null is False:
            return ADDITIVE, "the target's code leaves it out, and it accepts NULL"
        return REVIEW, "without its default an INSERT that leaves it out fails if it refuses NULL"
    if mapped.client_default or not mapped.server_default:
        return ADDITIVE, "the target's code gives it a value itself and does not rely on the default"
    if mapped.nullable or column.not_null is False:
        return REVIEW, "the target's code relies on its default and would get NULL instead"
    return BREAKING, "the target's code relies on its default, and INSERT is refused without one"
