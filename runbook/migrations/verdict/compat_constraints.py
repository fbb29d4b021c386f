"""Judges the constraints that the range adds or drops, for what the target's code writes.

https://www.postgresql.org/docs/current/ddl-constraints.html. NOT VALID spares the rows of before, never a new write.
"""

from collections.abc import Iterator
from typing import Any

from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.compat_columns import Judged, refuses_null, weighed
from runbook.migrations.verdict.ddl.constraints import is_not_null_check
from runbook.migrations.verdict.expressions import CannotTell, constant, differs_each_time, holds
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Finding
from runbook.migrations.verdict.schema_delta import Column, Constraint, Default, Effect, Table, found
from runbook.migrations.verdict.table_names import TableUse

_NUMBERED = {Default.IDENTITY, Default.IDENTITY_ALWAYS}


def judge_constraints(table: Table, use: TableUse) -> Iterator[Finding]:
    """Judge the constraints and indexes that the range adds to a table from before."""
    for made in table.constraints:
        verdict, reason = weighed(_judged(made, use), use)
        yield found(made.statement, verdict, f"{table.name}: {made.name or made.kind}", reason)


def _judged(made: Constraint, use: TableUse) -> Judged:
    refused = is_not_null_check(made)
    if refused is not None:
        return _not_null(refused, use)
    match made.kind:
        case "index" | "index of any length":
            return _index(made, use)
        case "unique" | "primary key":
            return _unique(made, use)
        case "check":
            return _check(made)
        case "foreign key":
            return _foreign_key(made)
    return REVIEW, f"a write of the target's code may violate this {made.kind} constraint"


def _not_null(column: Column, use: TableUse) -> Judged:
    if column.origin is not None:
        mapped = use.table.by_name.get(column.origin) if use.table is not None else None
        return refuses_null(column, mapped, use)
    if column.default in _NUMBERED | {Default.SURE}:
        return ADDITIVE, "the database fills the column that must not be NULL"
    if column.default is Default.NONE:
        return BREAKING, "an INSERT by code that does not know the column leaves it NULL, which is refused"
    return REVIEW, "what the database puts in the column may be NULL, which is refused"


def _index(made: Constraint, use: TableUse) -> Judged:
    by_name = use.table.by_name if use.table is not None else {}
    types = [of_text(by_name[origin].type) for each in made.columns if (origin := each.origin or "") in by_name]
    if made.kind == "index" and any(kind is not None and kind.unbounded for kind in types):
        return ADDITIVE, "an index refuses no value but one longer than its page takes (about 2,700 bytes)"
    return ADDITIVE, "an index that is not unique refuses no value and changes no result"


def _unique(made: Constraint, use: TableUse) -> Judged:
    new = [column for column in made.columns if column.origin is None]
    old = {column.origin for column in made.columns if column.origin is not None}
    if not made.expressions:
        if any(column.default in _NUMBERED or differs_each_time(column.default_tree) for column in new):
            return ADDITIVE, "the database gives a new column in it another value for every row"
        if use.table is not None and use.table.key and use.table.key <= old:
            return (ADDITIVE, "it holds the primary key that the target's code declares, so it can repeat no value")
        nulls = [column for column in new if column.default is Default.NONE and not column.not_null]
        if nulls and not made.nulls_equal and made.kind == "unique":
            return (ADDITIVE, "the target's code leaves a new column in it NULL, and NULLs never repeat each other")
        if new and not old and all(column in nulls or _same_each_time(column) for column in new):
            return (
                BREAKING,
                "every INSERT by the target's code gives the new columns the same value: the second fails",
            )
    return REVIEW, "the target's code may write a value that is there already, which is refused now"


def _same_each_time(column: Column) -> bool:
    try:
        return column.default is Default.SURE and constant(column.default_tree) is not None
    except CannotTell:
        return False


def _check(made: Constraint) -> Judged:
    if not made.columns or any(column.origin is not None for column in made.columns):
        return REVIEW, "the target's code may write a value that this check refuses"
    try:
        truth = holds(made.check, {column.name: _by_itself(column) for column in made.columns})
    except (CannotTell, RecursionError):
        return REVIEW, "whether the check allows what the new columns get by themselves is not certain"
    if truth is False:
        return BREAKING, "the check refuses what the new columns get by themselves, so every INSERT fails"
    return ADDITIVE, "the check allows what the new columns get by themselves, and the code writes nothing else"


def _by_itself(column: Column) -> Any:
    """What a column gets that an INSERT leaves out. Raises CannotTell."""
    if column.default is Default.NONE:
        return None
    if column.default is Default.SURE:
        return constant(column.default_tree)
    raise CannotTell


def _foreign_key(made: Constraint) -> Judged:
    new = [column for column in made.columns if column.origin is None]
    if new and len(made.columns) == 1 and new[0].default is Default.NONE:
        return ADDITIVE, "the target's code leaves the new column NULL, which points nowhere and is allowed"
    if len(new) == len(made.columns):
        return REVIEW, "whether what the new columns get by themselves is there to point to is not certain"
    return REVIEW, "the target's code may write a value that is not there to point to, which is refused now"


def dropped(effect: Effect, table: Table, use: TableUse) -> Judged:
    """Judge a constraint from before that is dropped: no write is refused by that, but a foreign key may have acted."""
    name = effect.constraint
    if use.table is None or use.table.foreign_keys is None:
        return REVIEW, f"whether {name} is a foreign key that deletes or empties rows is not known"
    here, keys = (table.origin or table.name).name, use.table.foreign_keys
    by_name = {key.name or "_".join([here, *key.columns, "fkey"]): key for key in keys}
    others = {f"{here}_{each}_{suffix}" for each in use.table.by_name for suffix in ("key", "check")} | {f"{here}_pkey"}
    if name in by_name and by_name[name].acts:
        return REVIEW, f"with the foreign key {name} rows were deleted or emptied, and are not any more"
    if name not in by_name and name not in others and any(key.acts for key in keys):
        return REVIEW, f"{name} may be the foreign key with which rows were deleted or emptied"
    return ADDITIVE, effect.reason


def judge_parents(table: Table, made: Constraint, child: TableUse, parent: TableUse) -> Iterator[Finding]:
    """Judge a foreign key for what it keeps the target's code from doing to the rows that are pointed to."""
    above = made.parent
    if above is None or above.new or parent.unused:
        return
    judged = _deleting(made, child, table) or _updating(made, parent)
    if judged is not None:
        verdict, reason = weighed(judged, parent)
        yield found(made.statement, verdict, above.name, reason)


def _deleting(made: Constraint, child: TableUse, table: Table) -> Judged | None:
    match made.on_delete:
        case "c":
            if table.new or child.unused:
                return None
            return REVIEW, f"when the target's code deletes a row, rows of {table.name} that it uses vanish too"
        case "n":
            if all(column.origin is None and not column.not_null for column in made.columns):
                return None
            return REVIEW, f"deleting a row sets columns of {table.name} NULL, which they may refuse"
        case "d":
            return (REVIEW, f"deleting a row sets columns of {table.name} to their default, which may not be there")
    reason = (
        f"rows that the failed release put in {table.name} keep the target's code from deleting the rows that they "
        "point to (additive if the code deletes none)"
    )
    return REVIEW, reason


def _updating(made: Constraint, parent: TableUse) -> Judged | None:
    """Primary keys are taken to stay as they are; other columns that are pointed to may be updated."""
    if not made.parent_columns or made.on_update == "c":
        return None
    if parent.table is not None and set(made.parent_columns) == set(parent.table.key):
        return None
    return REVIEW, f"rows of {', '.join(made.parent_columns)} that are pointed to can no longer be updated"
