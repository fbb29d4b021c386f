"""Rules for each table that the range creates, drops, moves or changes, for the target's code."""

from collections.abc import Iterator

from runbook.migrations.image.mapped_models import MappedTable, Models
from runbook.migrations.verdict.compat.columns import Judged, judge_columns, review_if_use_unknown
from runbook.migrations.verdict.compat.constraints import dropped, judge_constraints, judge_parents
from runbook.migrations.verdict.compat.rows import changed_rows
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Asks, Finding
from runbook.migrations.verdict.schema_delta import Default, Effect, SchemaDelta, Table, View, found
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import TableUse, named, use_of


def judge_tables(delta: SchemaDelta, models: Models | None) -> Iterator[Finding]:
    """Judge every table that the range touches, once, by its final state."""
    for table in delta.tables:
        if table.dropped is not None and table.new:
            continue
        yield from _made(delta, table, models) if table.new else _from_before(delta, table, models)
        if table.dropped is None:
            child = use_of(models, table.origin or table.name)
            for made in table.constraints:
                if made.parent is not None and made.parent.origin is not None:
                    yield from judge_parents(table, made, child, use_of(models, made.parent.origin))


def _made(delta: SchemaDelta, table: Table, models: Models | None) -> Iterator[Finding]:
    if table.parent is not None:
        above = _use(delta, table.parent, models)
        if not above.unused:
            yield from _made_as_part(table, table.parent, above)
    use = use_of(models, table.name)
    statement = table.made or Statement("")
    thing = "view" if table.view else "table"
    if use.unused or (models is None and table.name.schema is None):
        if not table.temporary:
            reason = f"code that does not know the new {thing} does not use it"
            yield found(statement, ADDITIVE, table.name, reason)
    elif use.unknown:
        yield found(statement, REVIEW, table.name, use.unknown)
    elif not any(other.origin == table.name for other in delta.tables):
        reason = f"the target's code maps a table with this name, but only this range creates it, as a {thing}"
        yield found(statement, REVIEW, table.name, reason)


def _made_as_part(table: Table, parent: Table, use: TableUse) -> Iterator[Finding]:
    """Judge a new partition. The parent refuses what the partition's rules refuse, and shows the partition's rows."""
    mapped = use.table.by_name if use.table is not None else {}
    strict = [
        column.statement("not null", "added")
        for column in table.columns.values()
        if column.not_null and (column.name not in mapped or mapped[column.name].nullable)
    ]
    own = [made.statement for made in table.constraints] + [effect.statement for effect in table.effects]
    for statement in (*own, *strict):
        reason = f"rows written to {parent.name} must meet the constraints of this partition"
        yield found(statement, REVIEW, table.name, reason)
    if table.filled is not None:
        yield found(table.filled, REVIEW, table.name, f"queries on {parent.name} return its rows too")


def _use(delta: SchemaDelta, table: Table, models: Models | None) -> TableUse:
    """Return how the code uses a table: directly, or through a table whose partition it is or may be."""
    name = table.origin or table.name
    use = use_of(models, name)
    if not use.unused or models is None:
        return use
    told = delta.partitions or {}
    if name in told and table.dropped is None:
        while name in told:
            name = told[name]
        return use_of(models, name)
    above, passed = table.parent, [table]
    while above is not None and above not in passed:
        if not use_of(models, above.origin or above.name).unused:
            return TableUse(unknown=f"it is a partition of {above.name}, which the target's code uses")
        passed.append(above)
        above = above.parent
    if delta.partitions is not None and table.dropped is None:
        return use
    partitioned = [named(each.schema, each.name) for each in models.tables if each.partitioned]
    partitioned += [part.parent.origin for part in delta.tables if part.parent is not None and part.parent.origin]
    for parent in partitioned:
        if not table.new and not use_of(models, parent).unused:
            return TableUse(unknown=f"it may be a partition of {parent}, which the target's code uses")
    return use


def _from_before(delta: SchemaDelta, table: Table, models: Models | None) -> Iterator[Finding]:
    name = table.origin or table.name
    use = _use(delta, table, models)
    if table.dropped is not None or table.name != name:
        yield _unreachable(delta, table, use)
        if table.dropped is None and models is not None and use_of(models, table.name).table is not None:
            reason = f"{name} now has the name of a table that the target's code maps"
            yield found(table.moved or Statement(""), REVIEW, table.name, reason)
        if table.dropped is not None or not (use.unused or _seen_through(delta, table, use)):
            return
    if use.unused:
        for statement in _statements(table):
            yield found(statement, ADDITIVE, name, "the target's code does not map this table")
        return
    for effect in table.effects:
        verdict, reason, *asks = review_if_use_unknown(_affected(effect, table, use), use)
        yield found(effect.statement, verdict, name, reason, *asks)
    yield from judge_columns(delta, table, use)
    yield from judge_constraints(table, use)


def _affected(effect: Effect, table: Table, use: TableUse) -> Judged:
    if effect.constraint:
        return dropped(effect, table, use)
    if effect.rows and use.table is not None:
        return changed_rows(effect, use.table)
    return effect.verdict, effect.reason, effect.asks


def _statements(table: Table) -> list[Statement]:
    """Return every statement that changes a table, once."""
    columns = (*table.gone.values(), *table.columns.values())
    every = [effect.statement for effect in table.effects]
    every += [statement for column in columns for statement in column.by.values()]
    every += [made.statement for made in table.constraints]
    return list({statement.place: statement for statement in every}.values())


def _unreachable(delta: SchemaDelta, table: Table, use: TableUse) -> Finding:
    """Judge a table that is no longer found by its old name: dropped, renamed, or moved to another schema."""
    statement = table.dropped or table.moved or Statement("")
    name = table.origin or table.name
    how = "dropped" if table.dropped is not None else f"now {table.name}"
    if use.unused:
        return found(statement, ADDITIVE, name, f"it is {how}, and the target's code does not map it")
    if use.unknown or use.table is None:
        return found(statement, REVIEW, name, f"it is {how}, which breaks code that uses it; {use.unknown}")
    occupant = delta.current.get(name)
    if occupant is None and table.dropped is None and _on_a_path_to_come(delta, table, use.table):
        reason = f"it is {how}, where the target's code finds it if it connects with the search path of the range"
        return found(statement, REVIEW, name, reason, Asks(use.table.name, copy=True))
    if occupant is None:
        reason = f"it is {how}, and the target's code reads and writes it by its old name"
        return found(statement, BREAKING, name, reason)
    if occupant.view is not None and not occupant.effects:
        judged = _view_in_place(table, occupant.view, use.table)
        if judged is not None:
            return found(statement, judged[0], occupant.name, f"it is {how}, and {judged[1]}")
    return _rebuilt(occupant, use.table, statement, how)


def _on_a_path_to_come(delta: SchemaDelta, table: Table, mapped: MappedTable) -> bool:
    """Return whether a table that only moved to another schema may be found there by its unqualified name."""
    return mapped.schema is None and table.name.name == mapped.name and table.name.schema in delta.paths_to_come


def _seen_through(delta: SchemaDelta, table: Table, use: TableUse) -> bool:
    """Return whether a view with a renamed table's old name shows all of it, so that its other changes count too."""
    occupant = delta.current.get(table.origin or table.name)
    if occupant is None or occupant.view is None or use.table is None or table.dropped is not None:
        return False
    judged = None if occupant.effects else _view_in_place(table, occupant.view, use.table)
    return judged is not None and judged[0] is ADDITIVE


def _view_in_place(table: Table, view: View, mapped: MappedTable) -> Judged | None:
    """Judge a view that has the name of a mapped table, or return None if no rule decides."""
    shown = view.columns
    if view.every and view.base is not None and not view.base.new:
        renamed = {column.origin for column in view.base.columns.values() if column.origin not in (None, column.name)}
        hidden = {each for each in view.base.gone if each not in view.base.columns} | (
            renamed - view.base.columns.keys()
        )
        shown = frozenset(mapped.by_name.keys() - hidden) if view.base is table else None
    if shown is None:
        return None
    missing = [column.name for column in mapped.columns if column.name not in shown]
    if missing:
        return BREAKING, f"the view that has its name lacks {', '.join(missing)}, which the target's code uses"
    if not view.writable:
        return BREAKING, "the view that has its name is read-only, but the target's code also writes"
    changed = [column for column in table.columns.values() if column.origin not in (None, column.name)]
    if view.base is not table or not view.whole or changed or table.gone:
        return None
    return ADDITIVE, "a view with its name shows all of it, and PostgreSQL reads and writes through that view"


def _rebuilt(occupant: Table, mapped: MappedTable, statement: Statement, how: str) -> Finding:
    """Judge a mapped table whose name another table or view has now."""
    if occupant.new and occupant.complete:
        missing = [column.name for column in mapped.columns if column.name not in occupant.columns]
        required = [
            column.name
            for column in occupant.columns.values()
            if column.name not in mapped.by_name and column.not_null and column.default is Default.NONE
        ]
        if missing:
            reason = (
                f"it is {how}, and the new table of that name lacks {', '.join(missing)}, which the target's code uses"
            )
            return found(statement, BREAKING, occupant.name, reason)
        if required:
            reason = f"it is {how}, and the new table of that name requires {', '.join(required)} in every INSERT"
            return found(statement, BREAKING, occupant.name, reason)
    thing = "a view" if occupant.view else "another table"
    reason = f"it is {how}, and {thing} has its name; the SQL does not show whether it holds the target's rows"
    return found(statement, REVIEW, occupant.name, reason)
