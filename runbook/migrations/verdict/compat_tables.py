"""What a table that the range makes, drops, moves or changes means for the target's code."""

from collections.abc import Iterator

from runbook.migrations.image.mapped_models import MappedTable, Models
from runbook.migrations.verdict.compat_columns import judge_columns, weighed
from runbook.migrations.verdict.compat_constraints import dropped, judge_constraints, judge_parents
from runbook.migrations.verdict.findings import Finding, Verdict
from runbook.migrations.verdict.schema_delta import Default, SchemaDelta, Table, found
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import TableUse, named, use_of


def judge_tables(net: SchemaDelta, models: Models | None) -> Iterator[Finding]:
    """Judge every table that the range touches, once, by what became of it."""
    for table in net.tables:
        if table.dropped is not None and table.new:
            continue
        yield from _made(net, table, models) if table.new else _from_before(net, table, models)
        if table.dropped is None:
            yield from _foreign_keys(table, models)


def _foreign_keys(table: Table, models: Models | None) -> Iterator[Finding]:
    child = use_of(models, table.origin or table.name)
    for made in table.constraints:
        if made.parent is not None and made.parent.origin is not None:
            finding = judge_parents(table, made, child, use_of(models, made.parent.origin))
            if finding is not None:
                yield finding


def _made(net: SchemaDelta, table: Table, models: Models | None) -> Iterator[Finding]:
    if table.parent is not None and not _use(net, table.parent, models).certain_none:
        yield from _made_as_part(table, _use(net, table.parent, models))
    use = use_of(models, table.name)
    statement = table.made or Statement("")
    thing = "view" if table.view else "table"
    if use.certain_none or (models is None and table.name.schema is None):
        if not table.temporary:
            yield found(
                statement, Verdict.ADDITIVE, table.name, f"code that does not know the new {thing} does not use it"
            )
    elif use.unknown:
        yield found(statement, Verdict.REVIEW, table.name, use.unknown)
    elif not any(other.origin == table.name for other in net.tables):
        reason = f"the target's code maps a table of that name, which only this range makes as a {thing}"
        yield found(statement, Verdict.REVIEW, table.name, reason)


def _made_as_part(table: Table, above: TableUse) -> Iterator[Finding]:
    """A new partition: what its own rules refuse, the table above refuses, and its rows are that table's."""
    mapped = above.table.by_name if above.table is not None else {}
    strict = [
        column.statement("not null", "added")
        for column in table.columns.values()
        if column.not_null and (column.name not in mapped or mapped[column.name].nullable)
    ]
    own = [*(made.statement for made in table.constraints), *(effect.statement for effect in table.effects), *strict]
    for statement in own:
        reason = f"rows that are written to {table.parent and table.parent.name} must meet the rules of its partition"
        yield found(statement, Verdict.REVIEW, table.name, reason)
    if table.filled is not None:
        reason = f"its rows are read with those of {table.parent and table.parent.name}"
        yield found(table.filled, Verdict.REVIEW, table.name, reason)


def _use(net: SchemaDelta, table: Table, models: Models | None) -> TableUse:
    """How the code uses a table: itself, or by one whose partition it is, or may be."""
    name = table.origin or table.name
    use = use_of(models, name)
    if not use.certain_none or models is None:
        return use
    above, seen = table.parent, [table]
    while above is not None and above not in seen:
        if not use_of(models, above.origin or above.name).certain_none:
            return TableUse(unknown=f"it is a partition of {above.name}, which the target's code uses")
        seen.append(above)
        above = above.parent
    split = [named(each.schema, each.name) for each in models.tables if each.partitioned]
    split += [part.parent.origin for part in net.tables if part.parent is not None and part.parent.origin is not None]
    for above_name in split:
        if not table.new and not use_of(models, above_name).certain_none:
            return TableUse(unknown=f"it may be a partition of {above_name}, which the target's code uses")
    return use


def _from_before(net: SchemaDelta, table: Table, models: Models | None) -> Iterator[Finding]:
    name = table.origin or table.name
    use = _use(net, table, models)
    if table.dropped is not None or table.name != name:
        yield _left(net, table, use)
        if table.dropped is None and models is not None and use_of(models, table.name).table is not None:
            reason = f"what was {name} now has a name under which the target's code maps a table"
            yield found(table.moved or Statement(""), Verdict.REVIEW, table.name, reason)
        if table.dropped is not None or not use.certain_none:
            return
    if use.certain_none:
        for statement in _statements(table):
            yield found(statement, Verdict.ADDITIVE, name, "the target's code does not map this table")
        return
    for effect in table.effects:
        judged = effect.verdict, effect.reason
        if effect.constraint:
            judged = dropped(effect.constraint, effect.reason, table, use)
        verdict, reason = weighed(judged, use)
        yield found(effect.statement, verdict, name, reason)
    yield from judge_columns(net, table, use)
    yield from judge_constraints(table, use)


def _statements(table: Table) -> list[Statement]:
    """Every statement that changes a table, once."""
    of_columns = [by for column in (*table.gone.values(), *table.columns.values()) for by in column.by.values()]
    every = [
        *(effect.statement for effect in table.effects),
        *of_columns,
        *(made.statement for made in table.constraints),
    ]
    return list({statement.place: statement for statement in every}.values())


def _left(net: SchemaDelta, table: Table, use: TableUse) -> Finding:
    """A table that its old name no longer leads to: dropped, renamed, or moved to another schema."""
    statement = table.dropped or table.moved or Statement("")
    name = table.origin or table.name
    how = "dropped" if table.dropped is not None else f"{table.name} now"
    if use.certain_none:
        return found(statement, Verdict.ADDITIVE, name, f"it is {how}, and the target's code does not map it")
    if use.unknown or use.table is None:
        return found(statement, Verdict.REVIEW, name, f"it is {how}, which breaks code that uses it; {use.unknown}")
    occupant = net.current.get(name)
    if occupant is None:
        reason = f"it is {how}, and the target's code reads and writes it by its old name"
        return found(statement, Verdict.BREAKING, name, reason)
    return _rebuilt(occupant, use.table, statement, how)


def _rebuilt(occupant: Table, mapped: MappedTable, statement: Statement, how: str) -> Finding:
    """A mapped table whose name another one carries now."""
    if occupant.new and occupant.complete:
        missing = [column.name for column in mapped.columns if column.name not in occupant.columns]
        required = [
            column.name
            for column in occupant.columns.values()
            if column.name not in mapped.by_name and column.not_null and column.default is Default.NONE
        ]
        if missing:
            reason = f"it is {how}, and what has its name lacks {', '.join(missing)}, which the target's code uses"
            return found(statement, Verdict.BREAKING, occupant.name, reason)
        if required:
            reason = f"it is {how}, and what has its name demands {', '.join(required)} of every INSERT"
            return found(statement, Verdict.BREAKING, occupant.name, reason)
    thing = "a view" if occupant.view else "another table"
    reason = f"it is {how}, and {thing} has its name; whether the target's rows are in it is not in the SQL"
    return found(statement, Verdict.REVIEW, occupant.name, reason)
