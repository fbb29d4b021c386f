"""Rules for the constraints that the range adds or drops, judged by what the target's code writes.

https://www.postgresql.org/docs/current/ddl-constraints.html. NOT VALID exempts existing rows, never a new write.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.stream import RawStream

from runbook.migrations.database import quoted
from runbook.migrations.image.mapped_models import ForeignKey, Rule
from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.compat.columns import Judged, refuses_null, review_if_use_unknown
from runbook.migrations.verdict.ddl.constraints import is_not_null_check
from runbook.migrations.verdict.defaults import differs_each_time
from runbook.migrations.verdict.expressions import is_a, walk
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Asks, Finding, Verdict
from runbook.migrations.verdict.schema_delta import Column, Constraint, Default, Effect, Table, found
from runbook.migrations.verdict.table_names import TableUse, named
from runbook.migrations.verdict.truth import CannotTell, Known, constant, outcomes

_NUMBERED = {Default.IDENTITY, Default.IDENTITY_ALWAYS}


def judge_constraints(table: Table, use: TableUse) -> Iterator[Finding]:
    """Judge the constraints and indexes that the range adds to a table that existed before."""
    for made in table.constraints:
        verdict, reason, *asks = review_if_use_unknown(_or_rows(_judged(made, use), made, table, use), use)
        yield found(made.statement, verdict, f"{table.name}: {made.name or made.kind}", reason, *asks)


def _or_rows(judged: Judged, made: Constraint, table: Table, use: TableUse) -> Judged:
    """Add a question about rows if the verdict depends on what the code writes. Old rows predate the constraint."""
    if judged[0] is not REVIEW or use.table is None or any(column.origin is None for column in made.columns):
        return judged
    changed = [effect.statement.node for effect in table.effects if effect.rows]
    if made.kind == "unique" and any(_removes_repeated(node, table) for node in changed):
        return (
            BREAKING,
            "the range deletes rows to make it valid, so the target's code writes values that are now refused",
        )
    name, practice = table.name, not changed
    if made.kind == "unique" and not made.expressions:
        return REVIEW, judged[1], Asks(name.name, schema=name.schema, check="true", none=REVIEW, practice=practice)
    try:
        check = RawStream()(made.check) if made.kind == "check" else _points_there(made)
    except RecursionError:
        check = ""
    if not check:
        return judged
    asks = Asks(
        name.name, schema=name.schema, check=check, none=REVIEW, some=BREAKING, practice=practice
    )  # fmt: skip
    return REVIEW, judged[1], asks


def _points_there(made: Constraint) -> str:
    """Return the SQL condition that a one-column foreign key references an existing row, or an empty string.

    The string is empty for any other key.
    """
    if made.parent is None or len(made.columns) != 1 or len(made.parent_columns) != 1:
        return ""
    column, above = quoted(made.columns[0].name), made.parent.name
    there = f"{quoted(above.schema or 'public')}.{quoted(above.name)}"
    return f"{column} IS NULL OR {column} IN (SELECT {quoted(made.parent_columns[0])} FROM {there})"  # noqa: S608 - quoted


def _removes_repeated(node: Any, table: Table) -> bool:
    """Return whether a statement deletes all rows, or rows that it compares with others of the same table."""
    if not is_a(node, ast.DeleteStmt):
        return False
    beside: list[Any] = [
        each for part in (node.usingClause, node.whereClause) for each in walk(part) if is_a(each, ast.RangeVar)
    ]
    return node.whereClause is None or any(each.relname == table.name.name for each in beside)


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
            return _check(made, use)
        case "foreign key":
            return _foreign_key(made, use)
    return REVIEW, f"a write of the target's code may violate this {made.kind} constraint"


def _not_null(column: Column, use: TableUse) -> Judged:
    if column.origin is not None:
        mapped = use.table.by_name.get(column.origin) if use.table is not None else None
        return refuses_null(column, mapped, use)
    if column.default in _NUMBERED | {Default.SURE}:
        return ADDITIVE, "the database fills the column that must not be NULL"
    if column.default is Default.NONE:
        return BREAKING, "an INSERT by code that does not know the column leaves it NULL, which is refused"
    return REVIEW, "the database may put NULL in the column, which is refused"


def _index(made: Constraint, use: TableUse) -> Judged:
    by_name = use.table.by_name if use.table is not None else {}
    types = [of_text(by_name[origin].type) for each in made.columns if (origin := each.origin or "") in by_name]
    if made.kind == "index" and any(kind is not None and kind.unbounded for kind in types):
        return ADDITIVE, "an index refuses only values too long for its page (over about 2,700 bytes)"
    return ADDITIVE, "an index that is not unique refuses no value and changes no result"


def _unique(made: Constraint, use: TableUse) -> Judged:
    new = [column for column in made.columns if column.origin is None]
    old = {column.origin for column in made.columns if column.origin is not None}
    if not made.expressions:
        if any(column.default in _NUMBERED or differs_each_time(column.default_tree) for column in new):
            return ADDITIVE, "the database gives a new column in it a different value for every row"
        if use.table is not None and use.table.key and use.table.key <= old:
            return ADDITIVE, "it includes the primary key that the target's code declares, so its values are unique"
        declared = use.table.uniques if use.table is not None else ()
        if made.kind == "unique" and not made.nulls_equal and any(set(each.columns) <= old for each in declared):
            return ADDITIVE, "it includes columns that the target's code itself declares unique"
        nulls = [column for column in new if column.default is Default.NONE and not column.not_null]
        if nulls and not made.nulls_equal and made.kind == "unique":
            return ADDITIVE, "the target's code leaves a new column in it NULL, and NULLs count as different values"
        if new and not old and all(column in nulls or _same_each_time(column) for column in new):
            return (
                BREAKING,
                "every INSERT by the target's code gives the new columns the same value: the second fails",
            )
    return REVIEW, "the target's code may write a value that already exists, which is now refused"


def _same_each_time(column: Column) -> bool:
    try:
        return column.default is Default.SURE and constant(column.default_tree) is not None
    except CannotTell:
        return False


def _check(made: Constraint, use: TableUse) -> Judged:
    """Judge a check by what the target's code may write: NULL if it declares the column nullable, otherwise a value."""
    columns = {column.name: list(_may_hold(column, use)) for column in made.columns}
    try:
        found = outcomes(made.check, columns)
    except RecursionError:
        found = [_ANY]
    only_new = made.columns and all(column.origin is None for column in made.columns)
    if any(each == {False} for each in found):
        if only_new:
            return (
                BREAKING,
                "the check refuses the values that the database puts in the new columns, so every INSERT fails",
            )
        return BREAKING, "the check refuses a NULL or a value that the target's code may write"
    if not any(False in each for each in found) and (only_new or use.table is not None):
        if only_new:
            return ADDITIVE, "the check allows the database's values for the new columns, and the code writes no others"
        return ADDITIVE, "the check allows everything that the target's code may write"
    if only_new:
        return REVIEW, "the check may refuse the values that the database puts in the new columns"
    return REVIEW, "the target's code may write a value that this check refuses"


_ANY = frozenset({True, False, None})


def _may_hold(column: Column, use: TableUse) -> Iterator[Any]:
    """Yield what a column may hold in a row that the target's code writes."""
    mapped = use.table.by_name.get(column.origin) if use.table is not None and column.origin is not None else None
    if column.origin is None:
        yield _by_itself(column)
    elif mapped is None:
        yield Known.ANY
    else:
        filled = mapped.client_default or mapped.server_default
        if mapped.nullable and not mapped.primary_key and not filled:
            yield None
        yield from mapped.labels or (Known.SOME,)


def _by_itself(column: Column) -> Any:
    """Return what a column gets that an INSERT leaves out."""
    if column.default is Default.NONE:
        return None
    if column.default is Default.SURE:
        try:
            return constant(column.default_tree)
        except CannotTell:
            return Known.SOME
    return Known.SOME if column.default in _NUMBERED else Known.ANY


def _foreign_key(made: Constraint, use: TableUse) -> Judged:
    new = [column for column in made.columns if column.origin is None]
    if new and len(made.columns) == 1 and new[0].default is Default.NONE:
        return ADDITIVE, "the target's code leaves the new column NULL, which references nothing and is allowed"
    if len(new) == len(made.columns):
        return REVIEW, "the values that the database puts in the new columns may reference a missing row"
    if declared(made, use) is not None:
        return ADDITIVE, "the target's code itself declares this foreign key"
    return REVIEW, "the target's code may write a reference to a missing row, which is now refused"


def declared(made: Constraint, use: TableUse) -> ForeignKey | None:
    """Return the foreign key in the code's models with the same columns and the same referenced table, or None."""
    if use.table is None or made.parent is None or made.parent.origin is None:
        return None
    columns = [column.origin for column in made.columns]
    return next(
        (
            key
            for key in use.table.foreign_keys or ()
            if list(key.columns) == columns and key.table and named(key.schema, key.table) == made.parent.origin
        ),
        None,
    )


_RULES = {"a": Rule.NO_ACTION, "r": Rule.RESTRICT, "c": Rule.CASCADE, "n": Rule.SET_NULL, "d": Rule.SET_DEFAULT}


def _name_of(key: ForeignKey, table: Table) -> str:
    """Return the declared name of a key, or else the name that PostgreSQL generates."""
    return key.name or "_".join([(table.origin or table.name).name, *key.columns, "fkey"])


def dropped(effect: Effect, table: Table, use: TableUse) -> Judged:
    """Judge the drop of a constraint from before the range. It refuses no write, but a foreign key may have acted."""
    name = effect.constraint
    if use.table is None or use.table.foreign_keys is None:
        return REVIEW, f"{name} may be a foreign key that deletes rows or clears columns"
    here, keys = (table.origin or table.name).name, use.table.foreign_keys
    by_name = {_name_of(key, table): key for key in keys}
    others = {f"{here}_{each}_{suffix}" for each in use.table.by_name for suffix in ("key", "check")} | {f"{here}_pkey"}
    others |= {each.name for each in use.table.uniques if each.name}
    key = by_name.get(name)
    if key is not None and any(declared(made, use) is key for made in table.constraints if made.kind == "foreign key"):
        return ADDITIVE, "the range creates the foreign key again, and that one is judged"
    if key is not None and key.on_delete.acts:
        done = "deleted rows" if key.on_delete is Rule.CASCADE else "cleared columns"
        reason = (
            f"the foreign key {name} (ON DELETE {key.on_delete}) {done} when the referenced rows were deleted; "
            "now the rows stay and reference nothing"
        )
        return BREAKING, reason
    if key is not None and key.on_update.acts:
        return REVIEW, f"through the foreign key {name}, rows followed a changed key; now they do not"
    if name not in by_name and name not in others and any(key.on_delete.acts or key.on_update.acts for key in keys):
        return REVIEW, f"{name} may be the foreign key that deleted rows or cleared columns"
    return ADDITIVE, effect.reason


def judge_parents(table: Table, made: Constraint, child: TableUse, parent: TableUse) -> Iterator[Finding]:
    """Judge a foreign key by what it prevents the target's code from doing to referenced rows."""
    above = made.parent
    if above is None or above.new or parent.unused:
        return
    judged = _as_declared(made, child, table) or _deleting(made, child, table) or _updating(made, table, parent)
    if judged is not None:
        verdict, reason, *asks = review_if_use_unknown(judged, parent)
        yield found(made.statement, verdict, above.name, reason, *asks)


def _pointing(made: Constraint, table: Table, some: Verdict = REVIEW) -> Asks | None:
    """Return the question about rows that reference something with this key, or None for a key of several columns."""
    if len(made.columns) != 1:
        return None
    return Asks(table.name.name, made.columns[0].name, table.name.schema, some=some)


def _as_declared(made: Constraint, child: TableUse, table: Table) -> Judged | None:
    """Judge a key that the code itself declares: whether it still does what the code relies on."""
    key = declared(made, child)
    if key is None:
        return None
    rule = _RULES[made.on_delete or "a"]
    if key.on_delete.acts and not rule.acts:
        reason = (
            f"the target's code relies on ON DELETE {key.on_delete}; with {rule}, a referenced row can no longer be "
            "deleted"
        )
        if any(effect.constraint == _name_of(key, table) for effect in table.effects):
            return BREAKING, reason
        reason = "another key acts on the same rows, and the order decides whether this one refuses the delete"
        return REVIEW, reason, _pointing(made, table)
    if key.on_delete is rule or (not key.on_delete.acts and not rule.acts):
        return ADDITIVE, "the target's code itself declares this foreign key"
    return None


def _deleting(made: Constraint, child: TableUse, table: Table) -> Judged | None:
    match made.on_delete:
        case "c":
            if table.new or child.unused:
                return None
            new = all(column.origin is None for column in made.columns)
            reason = f"when the target's code deletes a row, rows of {table.name} that it uses are deleted too"
            return REVIEW, reason, _pointing(made, table) if new else None
        case "n":
            if all(column.origin is None and not column.not_null for column in made.columns):
                return None
            return REVIEW, f"deleting a row sets columns of {table.name} to NULL, which they may refuse"
        case "d":
            return (
                REVIEW,
                f"deleting a row sets columns of {table.name} to their default, which may reference a missing row",
            )
    reason = (
        f"rows that the failed release wrote to {table.name} prevent the target's code from deleting the rows that "
        "they reference (additive if the code deletes none)"
    )
    return REVIEW, reason, _pointing(made, table)


def _updating(made: Constraint, table: Table, parent: TableUse) -> Judged | None:
    """Judge updates of referenced columns. Primary keys are assumed never to change, other columns may be updated."""
    if not made.parent_columns or made.on_update == "c":
        return None
    if parent.table is not None and set(made.parent_columns) == set(parent.table.key):
        return None
    mapped = parent.table is not None and set(made.parent_columns) <= parent.table.by_name.keys()
    reason = f"referenced values of {', '.join(made.parent_columns)} can no longer be updated"
    return REVIEW, reason, _pointing(made, table, BREAKING if mapped else REVIEW)
