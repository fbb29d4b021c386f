"""Rules for changes of enums that existed before the range, by the labels that the target's code knows."""

from collections.abc import Iterator

from runbook.migrations.image.mapped_models import MappedColumn, Models
from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.compat.columns import Judged
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Asks, Finding
from runbook.migrations.verdict.schema_delta import EnumChange, SchemaDelta, found
from runbook.migrations.verdict.table_names import PUBLIC, Name, named


def enums_of(models: Models | None) -> set[Name]:
    """Return the types that are certain to be enums: the target's code maps columns of them, with labels."""
    found = set()
    for table in models.tables if models else ():
        for column in table.columns:
            name = _type_name(column)
            if column.labels is not None and name is not None and of_text(column.type).plain is False:  # type: ignore[union-attr]
                found.add(name)
    return found


def judge_types(delta: SchemaDelta, models: Models | None) -> Iterator[Finding]:
    """Judge every label that the range adds or renames, and every type that it drops."""
    for change in delta.enum_changes:
        verdict, reason, *_ = _renamed(delta, change, models) if change.renamed else _judged(change, models)
        for asks in _where(change, models) if verdict is REVIEW else (None,):
            yield found(change.statement, verdict, change.enum, reason, asks)


def _renamed(delta: SchemaDelta, change: EnumChange, models: Models | None) -> Judged:
    """Judge a renamed type. Columns that the range dropped or gave another type are judged separately."""
    if models is None:
        return REVIEW, "no models were given, so the target's code may use the type"
    for table in models.tables:
        origin = named(table.schema, table.name)
        retyped = {
            column.origin
            for each in delta.tables
            if each.origin == origin
            for column in (*each.columns.values(), *each.gone.values())
            if column.type is not None or "dropped" in column.by
        }
        kept = [column for column in table.columns if _may_be(change.enum, column) and column.name not in retyped]
        if kept:
            return (
                REVIEW,
                f"{table.name}.{kept[0].name} has the renamed type, and drivers may send the old name with a value",
            )
    return ADDITIVE, "no column that the target's code maps still has it"


def _where(change: EnumChange, models: Models | None) -> list[Asks | None]:
    """Return the questions about rows with an added label, which the code does not know, in its mapped columns."""
    if models is None or change.new is None or change.old is not None:
        return [None]
    using = [(table, column) for table in models.tables for column in table.columns if _may_be(change.enum, column)]
    if any(column.labels is None for _, column in using):
        return [None]
    new = (change.new,)
    return [Asks(table.name, column.name, table.schema, new, some=BREAKING) for table, column in using]


def _judged(change: EnumChange, models: Models | None) -> Judged:  # noqa: PLR0911 - one return per rule
    if models is None:
        return REVIEW, "no models were given, so the target's code may use the old form of the type"
    using = [column for table in models.tables for column in table.columns if _may_be(change.enum, column)]
    if not using:
        return ADDITIVE, "the target's code maps no column of that type"
    if change.new is None:
        return REVIEW, "it is dropped, but the target's code maps a column of that type"
    known = all(column.labels is not None for column in using)
    if change.old is not None:
        if known and any(change.old in (column.labels or ()) for column in using):
            return BREAKING, f"the target's code writes and compares {change.old!r}, which is now {change.new!r}"
        return REVIEW, f"code that writes or expects {change.old!r} fails, because it is renamed"
    if known and all(change.new in (column.labels or ()) for column in using):
        return ADDITIVE, f"the target's code already knows {change.new!r}"
    return REVIEW, f"the failed release may have written {change.new!r}, a value that the code does not know"


def _may_be(enum: Name, column: MappedColumn) -> bool:
    """Return whether a column may be of this type. A column whose type has no name may be."""
    name = _type_name(column)
    return name is None or (name.name == enum.name and (name == enum or None in (name.schema, enum.schema)))


def _type_name(column: MappedColumn) -> Name | None:
    kind = of_text(column.type)
    if kind is None or column.type == "unknown":
        return None
    return named(kind.schema if kind.schema != PUBLIC else None, kind.name)
