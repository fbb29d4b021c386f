"""What a column that changed means for code that reads and writes the columns it maps, and leaves out all others.

Such code selects its mapped columns by name, so others do not disturb it; an INSERT that leaves a column out gets the
column's default, or NULL (https://www.postgresql.org/docs/current/sql-insert.html), which NOT NULL refuses.
"""

from collections.abc import Iterator

from runbook.migrations.image.mapped_models import MappedColumn
from runbook.migrations.verdict.column_types import SqlType, change, of_text
from runbook.migrations.verdict.findings import Finding, Verdict
from runbook.migrations.verdict.schema_delta import Column, Default, SchemaDelta, Table, found
from runbook.migrations.verdict.table_names import TableUse, named

Judged = tuple[Verdict, str]
_FILLED = {Default.SURE, Default.IDENTITY, Default.IDENTITY_ALWAYS}


def judge_columns(net: SchemaDelta, table: Table, use: TableUse) -> Iterator[Finding]:
    """Judge every column that the range touches in a table from before."""
    for column in (*table.gone.values(), *table.columns.values()):
        mapped = _mapped(use, column.origin)
        if column.origin is None:
            yield _finding(table, column, use, "added", added(net, table, column, use))
            continue
        if "dropped" in column.by or column.name != column.origin:
            yield _finding(
                table, column, use, "dropped" if "dropped" in column.by else "renamed", left(table, column, use)
            )
        if "dropped" in column.by:
            continue
        if column.type is not None:
            yield _finding(table, column, use, "type", retyped(column, mapped, use))
        if column.not_null is not None:
            yield _finding(table, column, use, "not null", nullability(column, mapped, use))
        if column.default is not None:
            yield _finding(table, column, use, "default", redefaulted(column, mapped, use))


def weighed(judged: Judged, use: TableUse) -> Judged:
    """A judgement made as if the table were used; it becomes `review` when nobody knows whether it is."""
    verdict, reason = judged
    if verdict is Verdict.ADDITIVE or not use.unknown:
        return judged
    return Verdict.REVIEW, f"{reason}; {use.unknown}"


def _finding(table: Table, column: Column, use: TableUse, aspect: str, judged: Judged) -> Finding:
    return found(
        column.statement(aspect), *_with_object(f"{table.name}.{column.origin or column.name}", weighed(judged, use))
    )


def _with_object(thing: str, judged: Judged) -> tuple[Verdict, str, str]:
    return judged[0], thing, judged[1]


def _mapped(use: TableUse, origin: str | None) -> MappedColumn | None:
    return use.table.by_name.get(origin) if use.table is not None and origin is not None else None


def added(net: SchemaDelta, table: Table, column: Column, use: TableUse) -> Judged:  # noqa: PLR0911 - one rule a return
    """A column that the range adds."""
    mapped = _mapped(use, column.name)
    if mapped is not None:
        if column.default in {Default.IDENTITY_ALWAYS, Default.COMPUTED} and not mapped.server_default:
            return Verdict.BREAKING, "the target's code writes it, and PostgreSQL now refuses any value given for it"
        again = column.name in table.gone or any(other.origin == column.name for other in table.columns.values())
        if again:
            return (
                Verdict.REVIEW,
                "it was taken away and made anew: the values that the target's code wrote are not in it",
            )
        return Verdict.REVIEW, "the target's code maps a column of that name, which only this range makes"
    if column.not_null and column.default is Default.NONE:
        return (
            Verdict.BREAKING,
            "it refuses NULL and has no default, so every INSERT by code that does not know it fails",
        )
    if column.type is None or not (column.type.plain or made_type(net, column)):
        return Verdict.REVIEW, f"the type {column.type} may be a domain that refuses what the column gets by itself"
    if column.default in {Default.UNSURE, Default.COMPUTED_UNSURE}:
        return Verdict.REVIEW, f"an INSERT that leaves it out gets {column.default.value}"
    if column.default is Default.COMPUTED and column.not_null:
        return Verdict.REVIEW, "what is computed for it may be NULL, which it refuses"
    if column.default is Default.NONE:
        return Verdict.ADDITIVE, "code that does not know it does not select it, and an INSERT leaves it NULL"
    return Verdict.ADDITIVE, "code that does not know it does not select it, and the database fills it on INSERT"


def made_type(net: SchemaDelta, column: Column) -> bool:
    """That the range itself makes the column's type, and that it is no domain."""
    kind = column.type
    return kind is not None and named(kind.schema, kind.name) in net.plain_types


def left(table: Table, column: Column, use: TableUse) -> Judged:
    """A column that its old name no longer leads to: dropped or renamed."""
    how = "dropped" if "dropped" in column.by else f"renamed to {column.name}"
    if use.table is not None and _mapped(use, column.origin) is None:
        if _mapped(use, column.name) is not None and "renamed" in column.by and "dropped" not in column.by:
            return Verdict.REVIEW, f"it is {how}, a name under which the target's code maps another column"
        return Verdict.ADDITIVE, f"it is {how}, and the target's code does not map it"
    occupant = table.columns.get(column.origin or "")
    if occupant is not None and occupant.origin is None:
        return Verdict.REVIEW, f"it is {how}, and another column has taken its name"
    if occupant is not None:
        return Verdict.BREAKING, f"it is {how}, and under its name the target's code would find {occupant.origin}"
    if use.unknown:
        return Verdict.REVIEW, f"it is {how}, which breaks code that uses it"
    return Verdict.BREAKING, f"it is {how}, and the target's code selects and inserts it by its old name"


def retyped(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """A column from before with another type."""
    new = column.type or SqlType("unknown")
    if use.table is not None and mapped is None:
        if new.plain:
            return Verdict.ADDITIVE, "the target's code does not map it"
        return Verdict.REVIEW, f"the type {new} may be a domain that refuses what the column gets by itself"
    if mapped is None:
        return Verdict.REVIEW, f"its type is now {new}, and what the code expects is not known"
    old = of_text(mapped.type)
    if old is None:
        return (
            Verdict.REVIEW,
            f"its type is now {new}, and the type that the code declares, {mapped.type}, is none of PostgreSQL's",
        )
    verdict, reason = change(old, new)
    if verdict is Verdict.ADDITIVE and column.rewritten:
        return Verdict.REVIEW, f"its values are computed anew for {new}, or ordered otherwise"
    return verdict, reason


def nullability(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """A column from before that refuses NULL now, or takes it."""
    if not column.not_null:
        if (use.table is not None and mapped is None) or (mapped is not None and mapped.nullable):
            return Verdict.ADDITIVE, "NULL is nothing new to the target's code there"
        return Verdict.REVIEW, "the target's code may read NULL where it expects a value"
    return refuses_null(column, mapped, use)


def refuses_null(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """A column from before in which NULL is refused now, by NOT NULL or by a check."""
    if use.table is not None and mapped is None:
        if column.default in _FILLED:
            return Verdict.ADDITIVE, "the target's code leaves it out, and the database fills it"
        return Verdict.REVIEW, "the target's code leaves it out, so INSERT fails if it has no default"
    if mapped is None:
        return Verdict.REVIEW, "it refuses NULL now, which the code may write"
    if not mapped.nullable or mapped.primary_key:
        return Verdict.ADDITIVE, "the target's code itself declares that it never holds NULL"
    if mapped.server_default or mapped.client_default:
        return Verdict.REVIEW, "it refuses NULL now; the code has a default for it but may write NULL all the same"
    return Verdict.BREAKING, "the target's code may leave it NULL and has no default for it, which is refused now"


def redefaulted(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """A column from before with another default, or none."""
    default = column.default
    if default in {Default.UNSURE, Default.COMPUTED_UNSURE}:
        return Verdict.REVIEW, "an INSERT that leaves it out gets what an expression gives, if it does not fail"
    if default is Default.IDENTITY_ALWAYS and (mapped is not None or use.unknown):
        if mapped is not None and mapped.server_default and not mapped.client_default:
            return Verdict.REVIEW, "PostgreSQL refuses a value of the code's own for it, should the code ever give one"
        return Verdict.BREAKING, "the target's code gives it a value, and PostgreSQL refuses any but its own"
    if default is not Default.NONE:
        if mapped is not None and (mapped.client_default or not mapped.server_default):
            return Verdict.ADDITIVE, "the target's code gives it a value itself, so it never sees the default"
        return Verdict.REVIEW, "an INSERT that leaves it out gets another value, which may be taken or refused there"
    return undefaulted(column, mapped, use)


def undefaulted(column: Column, mapped: MappedColumn | None, use: TableUse) -> Judged:
    """A column from before whose default is gone."""
    if mapped is None:
        if use.table is not None and column.not_null is False:
            return Verdict.ADDITIVE, "the target's code leaves it out, and it takes NULL"
        return Verdict.REVIEW, "without its default an INSERT that leaves it out fails if it refuses NULL"
    if mapped.client_default or not mapped.server_default:
        return Verdict.ADDITIVE, "the target's code gives it a value itself and does not count on the default"
    if mapped.nullable or column.not_null is False:
        return Verdict.REVIEW, "the target's code counts on its default and would find NULL instead"
    return Verdict.BREAKING, "the target's code counts on its default, and without one INSERT is refused"
