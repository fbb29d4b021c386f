"""Statements on names, views, schemas, types, sequences, functions and privileges, folded into the net change.

https://www.postgresql.org/docs/current/sql-commands.html
"""

from typing import Any

from pglast import ast
from pglast.enums import GrantTargetType
from pglast.enums import ObjectType as Kind
from pglast.enums import TransactionStmtKind as Transaction

from runbook.migrations.verdict.ddl.constraints import drop_index, rename_constraint
from runbook.migrations.verdict.ddl.views import shown_by
from runbook.migrations.verdict.expressions import only_reads
from runbook.migrations.verdict.findings import ADDITIVE, REVIEW, Asks
from runbook.migrations.verdict.schema_delta import Effect, EnumChange, SchemaDelta, Table, found
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import CASCADE, Name, Unclear, from_parts, named

_RELATIONS = {Kind.OBJECT_TABLE, Kind.OBJECT_VIEW, Kind.OBJECT_MATVIEW}


def rename(delta: SchemaDelta, statement: Statement) -> None:
    """Fold ALTER … RENAME."""
    node = statement.node
    kind = node.renameType
    if kind is Kind.OBJECT_INDEX:
        rename_constraint(delta, None, node.relation.relname, node.newname)
        delta.find(statement, ADDITIVE, node.relation.relname, "code finds an index by its columns, not by its name")
    elif kind in _RELATIONS:
        old = delta.name_of(node.relation)
        if not (node.missing_ok and delta.vacated(old)):
            delta.move(old, Name(old.schema, node.newname), statement)
    elif kind is Kind.OBJECT_COLUMN:
        delta.table_of(node.relation).rename(node.subname, node.newname, statement)
    elif kind is Kind.OBJECT_TABCONSTRAINT:
        table = delta.table_of(node.relation)
        rename_constraint(delta, table, node.subname, node.newname)
        table.affect(statement, "the constraint is only renamed and refuses the same values", ADDITIVE)
    elif kind is Kind.OBJECT_TYPE:
        _rename_type(delta, statement)
    else:
        raise Unclear(f"there is no rule for renaming {_words(kind)}")


def _rename_type(delta: SchemaDelta, statement: Statement) -> None:
    old = _name(delta, statement.node.object)
    new = Name(old.schema, statement.node.newname)
    made = delta.made.pop((Kind.OBJECT_TYPE.name, old), None)
    if made is None:
        delta.enum_changes.append(EnumChange(statement, old, renamed=True))
        return
    delta.made[Kind.OBJECT_TYPE.name, new] = made
    delta.plain_types |= {new} if old in delta.plain_types else set()
    if old in delta.enums:
        delta.enums[new] = delta.enums.pop(old)


def set_schema(delta: SchemaDelta, statement: Statement) -> None:
    """Fold ALTER … SET SCHEMA."""
    node = statement.node
    if node.objectType not in _RELATIONS:
        raise Unclear(f"there is no rule for moving {_words(node.objectType)} to another schema")
    old = delta.name_of(node.relation)
    new = named(node.newschema, old.name)
    if new != old and not (node.missing_ok and delta.vacated(old)):
        delta.move(old, new, statement)


def drop(delta: SchemaDelta, statement: Statement) -> None:
    """Fold DROP of one or more objects of one kind."""
    node = statement.node
    for item in node.objects:
        try:
            _drop_one(delta, statement, item)
        except Unclear as error:
            delta.find(statement, REVIEW, _shown(item), str(error))


def _drop_one(delta: SchemaDelta, statement: Statement, item: Any) -> None:
    kind, cascade = statement.node.removeType, statement.node.behavior.name == "DROP_CASCADE"
    if kind in _RELATIONS:
        _drop_table(delta, statement, item, cascade=cascade)
    elif kind is Kind.OBJECT_INDEX:
        drop_index(delta, item, statement)
    elif kind in {Kind.OBJECT_TRIGGER, Kind.OBJECT_RULE, Kind.OBJECT_POLICY}:
        table = delta.table(_name(delta, item[:-1]))
        table.affect(statement, f"the code may rely on {_words(kind)} {item[-1].sval}")
    elif kind is Kind.OBJECT_STATISTIC_EXT:
        delta.find(statement, ADDITIVE, _shown(item), "statistics change a query's speed, not its result")
    elif kind in {Kind.OBJECT_SEQUENCE, Kind.OBJECT_TYPE, Kind.OBJECT_DOMAIN}:
        parts = item.names if isinstance(item, ast.TypeName) else item
        stored = Kind.OBJECT_TYPE if kind is Kind.OBJECT_DOMAIN else kind
        key = (stored.name, _name(delta, parts))
        if kind is Kind.OBJECT_TYPE and key not in delta.made and not cascade:
            delta.enum_changes.append(EnumChange(statement, key[1]))
            return
        if key not in delta.made or cascade:
            raise Unclear(f"the target's code may use {_words(kind)} {_shown(parts)}")
        del delta.made[key]
    else:
        raise Unclear(f"there is no rule for dropping {_words(kind)}")


def _drop_table(delta: SchemaDelta, statement: Statement, item: Any, *, cascade: bool) -> None:
    name = _name(delta, item)
    if name == delta.bookkeeping:
        raise Unclear("without it, Alembic treats the database as empty")
    if statement.node.missing_ok and delta.vacated(name):
        return
    new = delta.table(name).new
    delta.drop(name, statement)
    if cascade and not new:
        raise Unclear(CASCADE)


def create_view(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE VIEW. OR REPLACE may change a view that the code reads."""
    name = delta.name_of(statement.node.view)
    temporary = statement.node.view.relpersistence == "t"
    if statement.node.replace and not delta.vacated(name):
        table = delta.table(name)
        if not table.new:
            table.affect(statement, "the view may return different rows or columns than before")
        return
    table = Table(name, None, statement, complete=False, view=shown_by(delta, statement.node), temporary=temporary)
    delta.make(table)


def create_as(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    node = statement.node
    if not only_reads(node.query) or not isinstance(node.query, ast.SelectStmt):
        raise Unclear("it runs something that no rule covers, which may change anything")
    relation = node.into.rel
    name = delta.name_of(relation)
    if node.if_not_exists:
        delta.table(name).affect(statement, "it may already exist with a different definition")
        return
    delta.make(Table(name, None, statement, complete=False, temporary=relation.relpersistence == "t"))


def make_type(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE TYPE and CREATE DOMAIN. No column from before the range has the new type."""
    node = statement.node
    if isinstance(node, ast.CompositeTypeStmt):
        name = delta.name_of(node.typevar)
    else:
        name = _name(delta, node.domainname if isinstance(node, ast.CreateDomainStmt) else node.typeName)
    if not isinstance(node, ast.CreateDomainStmt):
        delta.plain_types.add(name)
    if isinstance(node, ast.CreateEnumStmt):
        delta.enums[name] = tuple(label.sval for label in node.vals or ())
    reason = "no existing column has a type that the range itself created"
    delta.made[Kind.OBJECT_TYPE.name, name] = found(statement, ADDITIVE, name, reason)


def change_enum(delta: SchemaDelta, statement: Statement) -> None:
    """Fold ALTER TYPE of an enum."""
    node = statement.node
    name = _name(delta, node.typeName)
    delta.plain_types.add(name)
    if name in delta.enums:
        delta.enums[name] = (*(label for label in delta.enums[name] if label != node.oldVal), node.newVal)
    if (Kind.OBJECT_TYPE.name, name) not in delta.made:
        delta.enum_changes.append(EnumChange(statement, name, node.oldVal, node.newVal))


def make_sequence(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE SEQUENCE."""
    node = statement.node
    name = delta.name_of(node.sequence)
    made = found(statement, ADDITIVE, name, "no existing default uses a new sequence")
    if node.if_not_exists:
        delta.findings.append(made)
    else:
        delta.made[Kind.OBJECT_SEQUENCE.name, name] = made


def change_sequence(delta: SchemaDelta, statement: Statement) -> None:
    """Fold ALTER SEQUENCE."""
    node = statement.node
    name = delta.name_of(node.sequence)
    if (Kind.OBJECT_SEQUENCE.name, name) in delta.made:
        return
    if any(not _goes_on(option) for option in node.options or ()):
        raise Unclear("the code's inserts get different numbers than before")
    delta.find(statement, ADDITIVE, name, "the sequence issues the same numbers as before")


def _goes_on(option: Any) -> bool:
    """Return whether a sequence with this option issues the same numbers. A larger type only raises its limit."""
    larger = option.defname == "as" and option.arg.names[-1].sval == "int8"
    return larger or option.defname in {"owned_by", "cache"}


def make_schema(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE SCHEMA without elements."""
    if statement.node.schemaElts:
        raise Unclear("there is no rule for CREATE SCHEMA with other objects in it")
    delta.find(statement, ADDITIVE, statement.node.schemaname or "schema", "an empty schema changes no query")


def make_function(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE FUNCTION. Nothing calls a trigger function until a trigger is created."""
    node = statement.node
    returned = node.returnType.names[-1].sval if node.returnType is not None else ""
    if node.replace or returned not in {"trigger", "event_trigger"}:
        raise Unclear("handwritten SQL in the code, a default or a trigger may call it")
    reason = "a new trigger function runs only after a trigger is created"
    delta.find(statement, ADDITIVE, _shown(node.funcname), reason)


def make_trigger(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE TRIGGER. A tsvector trigger on a new column is tried on a copy: it works or fails for every row."""
    node, table = statement.node, delta.table_of(statement.node.relation)
    own = [part.sval for part in node.funcname][-1] in {"tsvector_update_trigger", "tsvector_update_trigger_column"}
    filled = table.columns.get(node.args[0].sval) if own and node.args else None
    asks = Asks((table.origin or table.name).name, schema=table.name.schema, copy=True)
    new = filled is not None and filled.origin is None
    reason = "a trigger runs on the code's writes and may change or refuse them"
    table.effects.append(Effect(statement, reason, asks=asks if new else None))


def grant(delta: SchemaDelta, statement: Statement) -> None:
    """Fold GRANT and REVOKE."""
    node = statement.node
    if not node.is_grant:
        one_by_one = node.targtype is GrantTargetType.ACL_TARGET_OBJECT and node.objtype is Kind.OBJECT_TABLE
        if not one_by_one:
            raise Unclear("the code's role may lose privileges that it needs")
        for relation in node.objects:
            delta.table_of(relation).affect(statement, "the code's role may lose privileges that it needs")
        return
    delta.find(statement, ADDITIVE, "privileges", "more privileges take nothing from the code")


def transaction(_delta: SchemaDelta, statement: Statement) -> None:
    """Fold transaction control. Only BEGIN, COMMIT and savepoints have a rule: a rollback is not followed."""
    if statement.node.kind in {
        Transaction.TRANS_STMT_ROLLBACK, Transaction.TRANS_STMT_ROLLBACK_TO, Transaction.TRANS_STMT_PREPARE,
        Transaction.TRANS_STMT_ROLLBACK_PREPARED, Transaction.TRANS_STMT_COMMIT_PREPARED,
    }:  # fmt: skip
        raise Unclear("there is no rule for a rollback or a prepared transaction")


def _name(delta: SchemaDelta, parts: Any) -> Name:
    if len(parts) == 1 and delta.path_changed:
        raise Unclear(f"the meaning of {parts[0].sval} depends on the search path, which the SQL itself has changed")
    return from_parts(parts)


def _shown(item: Any) -> str:
    if isinstance(item, ast.TypeName):
        item = item.names
    parts = item if isinstance(item, tuple | list) else (item,)
    return ".".join(str(getattr(part, "sval", "?")) for part in parts)


def _words(kind: Any) -> str:
    return f"a {kind.name.removeprefix('OBJECT_').replace('_', ' ').lower()}"
