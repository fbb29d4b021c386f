"""Statements that create and change tables and their columns, folded into the net change.

https://www.postgresql.org/docs/current/sql-createtable.html and .../sql-altertable.html describe each form.
"""

from collections.abc import Callable
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as At
from pglast.enums import ConstrType, ObjectType

from runbook.migrations.verdict.column_types import SERIALS, of_tree
from runbook.migrations.verdict.ddl.constraints import add_constraint, drop_constraint
from runbook.migrations.verdict.defaults import never_null
from runbook.migrations.verdict.expressions import cannot_fail, columns_in
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Asks
from runbook.migrations.verdict.schema_delta import Column, Default, Effect, SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import CASCADE, Unclear

_IGNORED = {
    ConstrType.CONSTR_ATTR_DEFERRABLE, ConstrType.CONSTR_ATTR_NOT_DEFERRABLE, ConstrType.CONSTR_ATTR_DEFERRED,
    ConstrType.CONSTR_ATTR_IMMEDIATE, ConstrType.CONSTR_ATTR_ENFORCED,
}  # fmt: skip
_OF_INDEXES = {At.AT_SetTableSpace, At.AT_SetRelOptions, At.AT_ResetRelOptions, At.AT_SetStatistics}
_STORAGE = {
    "fillfactor", "toast_tuple_target", "parallel_workers", "log_autovacuum_min_duration", "vacuum_truncate",
    "vacuum_index_cleanup", "n_distinct", "n_distinct_inherited",
}  # fmt: skip


def create_table(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE TABLE. A new partition or child of a table from before the range affects that table."""
    node = statement.node
    name = delta.name_of(node.relation)
    if name == delta.bookkeeping:
        return
    if node.if_not_exists and not delta.vacated(name):
        # The table may have existed: later statements are judged as if it had.
        if name not in delta.current:
            reason = "the target's code maps this table, so it may already exist with a different definition"
            delta.table(name).affect(statement, reason)
        return
    elements = node.tableElts or ()
    plain = not (node.inhRelations or node.ofTypename) and all(
        isinstance(element, ast.ColumnDef | ast.Constraint) for element in elements
    )
    table = Table(name, None, statement, complete=plain, temporary=node.relation.relpersistence == "t")
    delta.make(table)
    for element in elements:
        if isinstance(element, ast.ColumnDef):
            _add_column(delta, table, element, statement)
    for element in elements:
        if isinstance(element, ast.Constraint):
            add_constraint(delta, table, element, statement, [])
    for parent in node.inhRelations or ():
        table.parent = delta.table_of(parent)
        _inherit(table.parent, statement)


def _inherit(parent: Table, statement: Statement) -> None:
    if statement.node.partbound is None:
        parent.affect(statement, "queries on it also return the rows of the new table that inherits from it")
    elif statement.node.tableElts:
        parent.affect(statement, "rows written to the new partition must also meet its constraints")


def alter_table(delta: SchemaDelta, statement: Statement) -> None:
    """Fold ALTER TABLE, subcommand by subcommand, and the subcommands of ALTER INDEX that have a rule."""
    node = statement.node
    if node.objtype is ObjectType.OBJECT_INDEX:
        for command in node.cmds:
            if command.subtype not in _OF_INDEXES:
                raise Unclear(f"there is no rule for {command.subtype.name} on an index")
        delta.find(statement, ADDITIVE, node.relation.relname, "how an index is stored changes no result")
        return
    if node.objtype not in {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_MATVIEW}:
        raise Unclear(f"there is no rule for {node.objtype.name} in ALTER")
    name = delta.name_of(node.relation)
    if node.missing_ok and delta.vacated(name):
        return
    table = delta.table(name)
    for command in node.cmds:
        try:
            if command.subtype not in _SUBCOMMANDS:
                why = f"there is no rule for {command.subtype.name} in ALTER TABLE"
                raise Unclear(why)  # noqa: TRY301 - as the rules do
            _SUBCOMMANDS[command.subtype](delta, table, command, statement)
        except Unclear as error:
            delta.find(statement, REVIEW, name, str(error))


def _add_column(delta: SchemaDelta, table: Table, node: Any, statement: Statement) -> None:
    column = Column(node.colname, None, not_null=False, default=Default.NONE, by={"added": statement})
    if node.typeName is not None:
        column.type = of_tree(node.typeName)
        if node.typeName.names[-1].sval in SERIALS:
            column.not_null, column.default = True, Default.IDENTITY
    table.add(column)
    for constraint in node.constraints or ():
        match constraint.contype:
            case ConstrType.CONSTR_NOTNULL:
                column.not_null = True
            case ConstrType.CONSTR_NULL:
                column.not_null = False
            case ConstrType.CONSTR_DEFAULT:
                _set_default(column, constraint.raw_expr, statement)
            case ConstrType.CONSTR_IDENTITY:
                column.not_null = True
                column.default = _identity(constraint)
            case ConstrType.CONSTR_GENERATED:
                sure = cannot_fail(constraint.raw_expr)
                column.default = Default.COMPUTED if sure else Default.COMPUTED_UNSURE
            case kind if kind not in _IGNORED:
                add_constraint(delta, table, constraint, statement, [column])


def _set_default(column: Column, tree: Any, statement: Statement) -> None:
    """Set a column's default, or drop it if there is no expression. A default of NULL counts as no default."""
    column.by["default"] = statement
    column.default_tree = tree
    if tree is None or (isinstance(tree, ast.A_Const) and tree.isnull):
        column.default = Default.NONE
    else:
        column.default = Default.SURE if never_null(tree) else Default.UNSURE


def _identity(node: Any) -> Default:
    return Default.IDENTITY_ALWAYS if node.generated_when == "a" else Default.IDENTITY


def _add(delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    if not (command.missing_ok and command.def_.colname in table.columns):
        _add_column(delta, table, command.def_, statement)


def _drop(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    if command.missing_ok and command.name not in table.columns and (table.new or command.name in table.gone):
        return
    new = table.column(command.name).origin is None
    table.drop(command.name, statement)
    if command.behavior.name == "DROP_CASCADE" and not new:
        raise Unclear(CASCADE)


def _default(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    _set_default(table.column(command.name), command.def_, statement)


def _nullability(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    column.not_null = command.subtype is At.AT_SetNotNull
    column.by["not null"] = statement


def _retype(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    column.type = of_tree(command.def_.typeName)
    using = command.def_.raw_default
    while isinstance(using, ast.TypeCast):
        using = using.arg
    plain = using is None or (isinstance(using, ast.ColumnRef) and columns_in(using) == [command.name])
    column.rewritten = column.rewritten or not plain or command.def_.collClause is not None
    column.by["type"] = statement


def _add_identity(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    column.default = _identity(command.def_)
    column.by["default"] = statement


def _drop_identity(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    if command.missing_ok and column.default not in {Default.IDENTITY, Default.IDENTITY_ALWAYS}:
        raise Unclear(f"the SQL does not show whether {command.name} was an identity column and loses its numbering")
    _set_default(column, None, statement)


def _add_constraint(delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    add_constraint(delta, table, command.def_, statement, [])


def _drop_constraint(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    drop_constraint(table, command.name, statement)
    if command.behavior.name == "DROP_CASCADE" and not table.new:
        raise Unclear(CASCADE)


def _store(_delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    if command.subtype in {At.AT_SetRelOptions, At.AT_ResetRelOptions}:
        for option in command.def_ or ():
            if not option.defname.startswith("autovacuum_") and option.defname not in _STORAGE:
                raise Unclear(f"there is no rule for the option {option.defname}")
    table.affect(statement, "how a table is stored or checked changes no result", ADDITIVE)


def _attach(delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    part = delta.table_of(command.def_.name)
    part.parent = table
    if not (part.new and part.complete and not part.constraints):
        reason = "it now shows the partition's rows, and rows written there must meet the partition's constraints"
        table.affect(statement, reason)


def _detach(delta: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    part = delta.table_of(command.def_.name)
    part.parent = None if part.new else table
    reason = "it no longer has the partition's rows, and may refuse new ones"
    asks = Asks(part.name.name, schema=part.name.schema, check="false", none=REVIEW, some=BREAKING, part=True)
    table.effects.append(Effect(statement, reason, asks=asks))


_Rule = Callable[[SchemaDelta, Table, Any, Statement], None]


def _effect(reason: str) -> _Rule:
    return lambda _delta, table, _command, statement: table.affect(statement, reason)


def _inheritance(reason: str) -> _Rule:
    """Return a rule for both tables: the code may map only the parent, whose statements reach the child's rows."""

    def rule(delta: SchemaDelta, child: Table, command: Any, statement: Statement) -> None:
        parent = delta.table_of(command.def_)
        for table in (parent, child):
            table.affect(statement, reason.format(parent=parent.name, child=child.name))

    return rule


# The subcommands that have a rule. Any other is `review`.
_SUBCOMMANDS: dict[At, _Rule] = {
    At.AT_AddColumn: _add,
    At.AT_DropColumn: _drop,
    At.AT_ColumnDefault: _default,
    At.AT_SetNotNull: _nullability,
    At.AT_DropNotNull: _nullability,
    At.AT_AlterColumnType: _retype,
    At.AT_AddIdentity: _add_identity,
    At.AT_DropIdentity: _drop_identity,
    At.AT_AddConstraint: _add_constraint,
    At.AT_DropConstraint: _drop_constraint,
    At.AT_AttachPartition: _attach,
    At.AT_DetachPartition: _detach,
    **dict.fromkeys(
        (At.AT_SetStatistics, At.AT_SetOptions, At.AT_ResetOptions, At.AT_SetStorage, At.AT_SetCompression,
         At.AT_ClusterOn, At.AT_DropCluster, At.AT_SetLogged, At.AT_SetUnLogged, At.AT_SetTableSpace,
         At.AT_SetRelOptions, At.AT_ResetRelOptions, At.AT_ValidateConstraint),
        _store,
    ),
    **dict.fromkeys(
        (At.AT_EnableTrig, At.AT_EnableAlwaysTrig, At.AT_EnableReplicaTrig, At.AT_DisableTrig, At.AT_EnableTrigAll,
         At.AT_DisableTrigAll, At.AT_EnableTrigUser, At.AT_DisableTrigUser),
        _effect("enabled or disabled triggers change the effect of the code's writes"),
    ),
    **dict.fromkeys(
        (At.AT_EnableRowSecurity, At.AT_DisableRowSecurity, At.AT_ForceRowSecurity, At.AT_NoForceRowSecurity),
        _effect("row security decides which rows the code's role sees and writes"),
    ),
    At.AT_ChangeOwner: _effect("the code's role may lose privileges when the table's owner changes"),
    At.AT_DropExpression: _effect("the database no longer computes a generated column"),
    At.AT_SetExpression: _effect("the database computes a generated column differently"),
    At.AT_SetIdentity: _effect("the database numbers rows differently"),
    At.AT_ReplicaIdentity: _effect("on a published table PostgreSQL may refuse UPDATE and DELETE"),
    At.AT_AddInherit: _inheritance("statements on {parent} now also affect the rows of {child}"),
    At.AT_DropInherit: _inheritance("statements on {parent} no longer affect the rows of {child}"),
}  # fmt: skip
