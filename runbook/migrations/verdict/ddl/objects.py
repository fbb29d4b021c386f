"""Statements about all that is no table's form: names, views, schemas, types, sequences, functions, rights.

https://www.postgresql.org/docs/current/sql-commands.html
"""

from typing import Any

from pglast import ast
from pglast.enums import ObjectType as Kind
from pglast.enums import TransactionStmtKind as Transaction

from runbook.migrations.verdict.ddl.constraints import drop_index, rename_constraint
from runbook.migrations.verdict.expressions import only_reads
from runbook.migrations.verdict.findings import Verdict
from runbook.migrations.verdict.schema_delta import Effect, SchemaDelta, Table, found
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Name, Unclear, from_parts, named

_RELATIONS = {Kind.OBJECT_TABLE, Kind.OBJECT_VIEW, Kind.OBJECT_MATVIEW}


def rename(net: SchemaDelta, statement: Statement) -> None:
    """ALTER … RENAME."""
    node = statement.node
    kind = node.renameType
    if kind is Kind.OBJECT_INDEX:
        rename_constraint(net, None, node.relation.relname, node.newname)
        reason = "code finds an index by its columns, not by its name"
        net.find(statement, Verdict.ADDITIVE, node.relation.relname, reason)
    elif kind in _RELATIONS:
        old = net.name_of(node.relation)
        if not (node.missing_ok and net.vacated(old)):
            net.move(old, Name(old.schema, node.newname), statement)
    elif kind is Kind.OBJECT_COLUMN:
        net.table(net.name_of(node.relation)).rename(node.subname, node.newname, statement)
    elif kind is Kind.OBJECT_TABCONSTRAINT:
        table = net.table(net.name_of(node.relation))
        rename_constraint(net, table, node.subname, node.newname)
        reason = "the constraint refuses what it refused before, by another name"
        table.effects.append(Effect(statement, reason, Verdict.ADDITIVE))
    else:
        raise Unclear(f"no rule knows the renaming of {_words(kind)}")


def set_schema(net: SchemaDelta, statement: Statement) -> None:
    """ALTER … SET SCHEMA."""
    node = statement.node
    if node.objectType not in _RELATIONS:
        raise Unclear(f"no rule knows {_words(node.objectType)} that moves to another schema")
    old = net.name_of(node.relation)
    if not (node.missing_ok and net.vacated(old)):
        new = named(node.newschema, old.name)
        if new != old:
            net.move(old, new, statement)


def drop(net: SchemaDelta, statement: Statement) -> None:
    """DROP of one or more objects of a kind."""
    node = statement.node
    for item in node.objects:
        try:
            _drop_one(net, statement, item)
        except Unclear as error:
            net.find(statement, Verdict.REVIEW, _shown(item), str(error))


def _drop_one(net: SchemaDelta, statement: Statement, item: Any) -> None:
    kind, cascade = statement.node.removeType, statement.node.behavior.name == "DROP_CASCADE"
    if kind in _RELATIONS:
        _drop_table(net, statement, item, cascade=cascade)
    elif kind is Kind.OBJECT_INDEX:
        drop_index(net, item, statement)
    elif kind is Kind.OBJECT_TRIGGER or kind is Kind.OBJECT_RULE or kind is Kind.OBJECT_POLICY:
        table = net.table(_name(net, item[:-1]))
        table.effects.append(Effect(statement, f"the code may count on {_words(kind)} {item[-1].sval}"))
    elif kind is Kind.OBJECT_STATISTIC_EXT:
        net.find(statement, Verdict.ADDITIVE, _shown(item), "statistics change how fast a query is, not what it gives")
    elif kind in {Kind.OBJECT_SEQUENCE, Kind.OBJECT_TYPE, Kind.OBJECT_DOMAIN}:
        parts = item.names if isinstance(item, ast.TypeName) else item
        stored = Kind.OBJECT_TYPE if kind is Kind.OBJECT_DOMAIN else kind
        key = (stored.name, _name(net, parts))
        if key not in net.made or cascade:
            raise Unclear(f"the target's code may name {_words(kind)} {_shown(parts)}")
        del net.made[key]
    else:
        raise Unclear(f"no rule knows DROP of {_words(kind)}")


def _drop_table(net: SchemaDelta, statement: Statement, item: Any, *, cascade: bool) -> None:
    name = _name(net, item)
    if name == net.bookkeeping:
        raise Unclear("without it Alembic takes the database for empty")
    if statement.node.missing_ok and net.vacated(name):
        return
    new = net.table(name).new
    net.drop(name, statement)
    if cascade and not new:
        raise Unclear("CASCADE drops whatever depends on it, which the SQL does not tell")


def create_view(net: SchemaDelta, statement: Statement) -> None:
    """CREATE VIEW; OR REPLACE may change one that the code reads."""
    name = net.name_of(statement.node.view)
    temporary = statement.node.view.relpersistence == "t"
    if statement.node.replace and not net.vacated(name):
        table = net.table(name)
        if not table.new:
            table.effects.append(Effect(statement, "the view gives other rows or columns than before"))
        return
    net.make(Table(name, None, statement, complete=False, view=True, temporary=temporary))


def create_as(net: SchemaDelta, statement: Statement) -> None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    node = statement.node
    if not only_reads(node.query, but=None) or not isinstance(node.query, ast.SelectStmt):
        raise Unclear("it calls what no rule knows, which may change anything")
    relation = node.into.rel
    name = net.name_of(relation)
    if node.if_not_exists:
        net.table(name).effects.append(Effect(statement, "it may exist already, in another form"))
        return
    net.make(Table(name, None, statement, complete=False, temporary=relation.relpersistence == "t"))


def refresh(net: SchemaDelta, statement: Statement) -> None:
    """REFRESH MATERIALIZED VIEW."""
    table = net.table(net.name_of(statement.node.relation))
    table.effects.append(Effect(statement, "the code reads other rows from it than before"))


def make_type(net: SchemaDelta, statement: Statement) -> None:
    """CREATE TYPE and CREATE DOMAIN: old columns do not have it yet."""
    node = statement.node
    if isinstance(node, ast.CompositeTypeStmt):
        name = net.name_of(node.typevar)
    else:
        name = _name(net, node.domainname if isinstance(node, ast.CreateDomainStmt) else node.typeName)
    if not isinstance(node, ast.CreateDomainStmt):
        net.plain_types.add(name)
    reason = "no column from before has a type that the range itself made"
    net.made[Kind.OBJECT_TYPE.name, name] = found(statement, Verdict.ADDITIVE, name, reason)


def change_enum(net: SchemaDelta, statement: Statement) -> None:
    """ALTER TYPE of an enum."""
    node = statement.node
    name = _name(net, node.typeName)
    if (Kind.OBJECT_TYPE.name, name) in net.made:
        return
    if node.oldVal is not None:
        raise Unclear(f"code that writes or expects {node.oldVal!r} finds it renamed")
    raise Unclear(f"the code may read {node.newVal!r}, a value that it does not know")


def make_sequence(net: SchemaDelta, statement: Statement) -> None:
    """CREATE SEQUENCE."""
    node = statement.node
    name = net.name_of(node.sequence)
    made = found(statement, Verdict.ADDITIVE, name, "no default from before takes numbers from a new sequence")
    if node.if_not_exists:
        net.findings.append(made)
    else:
        net.made[Kind.OBJECT_SEQUENCE.name, name] = made


def change_sequence(net: SchemaDelta, statement: Statement) -> None:
    """ALTER SEQUENCE."""
    node = statement.node
    name = net.name_of(node.sequence)
    if (Kind.OBJECT_SEQUENCE.name, name) in net.made:
        return
    if {option.defname for option in node.options or ()} - {"owned_by", "cache"}:
        raise Unclear("the numbers that the code's inserts get are others than before")
    net.find(statement, Verdict.ADDITIVE, name, "the sequence goes on giving the numbers it gave")


def make_schema(net: SchemaDelta, statement: Statement) -> None:
    """CREATE SCHEMA without anything in it."""
    if statement.node.schemaElts:
        raise Unclear("no rule knows CREATE SCHEMA with what it holds")
    net.find(statement, Verdict.ADDITIVE, statement.node.schemaname or "schema", "an empty schema changes no query")


def make_function(net: SchemaDelta, statement: Statement) -> None:
    """CREATE FUNCTION: one for triggers is called by nobody until a trigger is made."""
    node = statement.node
    returned = node.returnType.names[-1].sval if node.returnType is not None else ""
    if node.replace or returned not in {"trigger", "event_trigger"}:
        raise Unclear("SQL of the code's own, a default or a trigger may call it")
    net.find(
        statement, Verdict.ADDITIVE, _shown(node.funcname), "a new trigger function runs only once a trigger is made"
    )


def grant(net: SchemaDelta, statement: Statement) -> None:
    """GRANT and REVOKE."""
    if not statement.node.is_grant:
        raise Unclear("the code's role may lose rights that it needs")
    net.find(statement, Verdict.ADDITIVE, "rights", "more rights take nothing from the code")


def transaction(_net: SchemaDelta, statement: Statement) -> None:
    """BEGIN, COMMIT and savepoints; what is rolled back is not seen as undone."""
    if statement.node.kind in {
        Transaction.TRANS_STMT_ROLLBACK, Transaction.TRANS_STMT_ROLLBACK_TO, Transaction.TRANS_STMT_PREPARE,
        Transaction.TRANS_STMT_ROLLBACK_PREPARED, Transaction.TRANS_STMT_COMMIT_PREPARED,
    }:  # fmt: skip
        raise Unclear("what it takes back, or leaves open, no rule follows")


def _name(net: SchemaDelta, parts: Any) -> Name:
    if len(parts) == 1 and net.path_changed:
        raise Unclear(f"which {parts[0].sval} is meant depends on a search path that the SQL itself has changed")
    return from_parts(parts)


def _shown(item: Any) -> str:
    if isinstance(item, ast.TypeName):
        item = item.names
    parts = item if isinstance(item, tuple | list) else (item,)
    return ".".join(str(getattr(part, "sval", "?")) for part in parts)


def _words(kind: Any) -> str:
    return f"a {kind.name.removeprefix('OBJECT_').replace('_', ' ').lower()}"
