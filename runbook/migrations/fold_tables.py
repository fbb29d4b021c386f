"""Statements that make, change and drop tables, folded into the net change.

What each form does: https://www.postgresql.org/docs/current/sql-createtable.html and .../sql-altertable.html
"""

from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as At
from pglast.enums import ConstrType, ObjectType

from runbook.migrations.column_types import SERIALS, of_tree
from runbook.migrations.expressions import cannot_fail, columns_in, never_null
from runbook.migrations.findings import Verdict
from runbook.migrations.fold_constraints import add_constraint, drop_constraint
from runbook.migrations.names import BOOKKEEPING, Unclear
from runbook.migrations.net_change import Column, Default, Effect, Net, Table
from runbook.migrations.sql_statements import Statement

_IGNORED = {
    ConstrType.CONSTR_ATTR_DEFERRABLE,
    ConstrType.CONSTR_ATTR_NOT_DEFERRABLE,
    ConstrType.CONSTR_ATTR_DEFERRED,
    ConstrType.CONSTR_ATTR_IMMEDIATE,
    ConstrType.CONSTR_ATTR_ENFORCED,
}


def create_table(net: Net, statement: Statement) -> None:
    """CREATE TABLE; a partition and a child of an old table change what the old table gives."""
    node = statement.node
    name = net.name_of(node.relation)
    if name.name == BOOKKEEPING:
        return
    if node.if_not_exists and not net.vacated(name):
        # It may have existed: what follows is judged as if it had.
        if name not in net.current:
            reason = "the target's code maps this table, so it may exist already, in another form"
            net.table(name).effects.append(Effect(statement, reason))
        return
    elements = node.tableElts or ()
    plain = not (node.inhRelations or node.ofTypename) and all(
        isinstance(element, ast.ColumnDef | ast.Constraint) for element in elements
    )
    table = Table(name, None, statement, complete=plain, temporary=node.relation.relpersistence == "t")
    net.make(table)
    for element in elements:
        if isinstance(element, ast.ColumnDef):
            add_column(net, table, element, statement)
    for element in elements:
        if isinstance(element, ast.Constraint):
            add_constraint(net, table, element, statement, [])
    _inherit(net, statement)


def _inherit(net: Net, statement: Statement) -> None:
    for parent in statement.node.inhRelations or ():
        above = net.table(net.name_of(parent))
        if statement.node.partbound is None:
            above.effects.append(Effect(statement, "its rows will be read with those of the table it inherits from"))
        elif statement.node.tableElts:
            above.effects.append(Effect(statement, "rows written to the new partition must meet its own rules"))


def add_column(net: Net, table: Table, node: Any, statement: Statement) -> None:
    """A column definition, with the constraints written beside it."""
    column = Column(node.colname, None, by={"added": statement})
    column.default = Default.NONE
    column.not_null = False
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
                set_default(column, constraint.raw_expr, statement)
            case ConstrType.CONSTR_IDENTITY:
                column.not_null = True
                column.default = _identity(constraint)
            case ConstrType.CONSTR_GENERATED:
                sure = cannot_fail(constraint.raw_expr)
                column.default = Default.COMPUTED if sure else Default.COMPUTED_UNSURE
            case kind if kind not in _IGNORED:
                add_constraint(net, table, constraint, statement, [column])


def set_default(column: Column, tree: Any, statement: Statement) -> None:
    """SET DEFAULT and, without an expression, DROP DEFAULT. A default of NULL is none."""
    column.by["default"] = statement
    column.default_tree = tree
    if tree is None or (isinstance(tree, ast.A_Const) and tree.isnull):
        column.default = Default.NONE
    else:
        column.default = Default.SURE if never_null(tree) else Default.UNSURE


def alter_table(net: Net, statement: Statement) -> None:
    """ALTER TABLE, subcommand by subcommand."""
    node = statement.node
    if node.objtype is ObjectType.OBJECT_INDEX:
        _alter_index(net, statement)
        return
    if node.objtype not in {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_MATVIEW}:
        raise Unclear(f"no rule knows {node.objtype.name} in ALTER")
    name = net.name_of(node.relation)
    if node.missing_ok and net.vacated(name):
        return
    table = net.table(name)
    for command in node.cmds:
        try:
            _SUBCOMMANDS.get(command.subtype, _unknown)(net, table, command, statement)
        except Unclear as error:
            net.find(statement, Verdict.REVIEW, name, str(error))


def _alter_index(net: Net, statement: Statement) -> None:
    for command in statement.node.cmds:
        if command.subtype not in {
            At.AT_SetTableSpace,
            At.AT_SetRelOptions,
            At.AT_ResetRelOptions,
            At.AT_SetStatistics,
        }:
            raise Unclear(f"no rule knows {command.subtype.name} on an index")
    net.find(statement, Verdict.ADDITIVE, statement.node.relation.relname, "how an index is stored changes no result")


def _add(net: Net, table: Table, command: Any, statement: Statement) -> None:
    name = command.def_.colname
    if command.missing_ok and name in table.columns:
        return
    add_column(net, table, command.def_, statement)
    if command.missing_ok:
        table.columns[name].by["if missing"] = statement


def _drop(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    if command.missing_ok and command.name not in table.columns and (table.new or command.name in table.gone):
        return
    new = table.column(command.name).origin is None
    table.drop(command.name, statement)
    if command.behavior.name == "DROP_CASCADE" and not new:
        raise Unclear("CASCADE drops whatever depends on it, which the SQL does not tell")


def _default(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    set_default(table.column(command.name), command.def_, statement)


def _nullability(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    column.not_null = command.subtype is At.AT_SetNotNull
    column.by["not null"] = statement


def _type(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    column.type = of_tree(command.def_.typeName)
    using = command.def_.raw_default
    while isinstance(using, ast.TypeCast):
        using = using.arg
    plain = using is None or (isinstance(using, ast.ColumnRef) and columns_in(using) == [command.name])
    column.rewritten = column.rewritten or not plain or command.def_.collClause is not None
    column.by["type"] = statement


def _add_identity(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    column.default = _identity(command.def_)
    column.by["default"] = statement


def _drop_identity(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    column = table.column(command.name)
    if command.missing_ok and column.default not in {Default.IDENTITY, Default.IDENTITY_ALWAYS}:
        raise Unclear(f"whether {command.name} was an identity column, and so loses its numbers, is not in the SQL")
    set_default(column, None, statement)


def _identity(node: Any) -> Default:
    return Default.IDENTITY_ALWAYS if node.generated_when == "a" else Default.IDENTITY


def _constraint(net: Net, table: Table, command: Any, statement: Statement) -> None:
    add_constraint(net, table, command.def_, statement, [])


def _drop_named(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    drop_constraint(table, command.name, statement)


def _harmless(_net: Net, table: Table, command: Any, statement: Statement) -> None:
    if command.subtype in {At.AT_SetRelOptions, At.AT_ResetRelOptions}:
        for option in command.def_ or ():
            stored = option.defname.startswith("autovacuum_") or option.defname in _STORAGE
            if not stored:
                raise Unclear(f"no rule knows the option {option.defname}")
    table.effects.append(Effect(statement, "how a table is stored or checked changes no result", Verdict.ADDITIVE))


def _attach(net: Net, table: Table, command: Any, statement: Statement) -> None:
    part = net.table(net.name_of(command.def_.name))
    if not (part.new and part.complete and not part.constraints):
        reason = "the rows of the partition appear in it, and what is written there must meet the partition's own rules"
        table.effects.append(Effect(statement, reason))


def _seen(reason: str) -> Any:
    def effect(_net: Net, table: Table, _command: Any, statement: Statement) -> None:
        table.effects.append(Effect(statement, reason))

    return effect


def _unknown(_net: Net, _table: Table, command: Any, _statement: Statement) -> None:
    raise Unclear(f"no rule knows {command.subtype.name} in ALTER TABLE")


_STORAGE = {"fillfactor", "toast_tuple_target", "parallel_workers", "log_autovacuum_min_duration", "vacuum_truncate",
            "vacuum_index_cleanup", "n_distinct", "n_distinct_inherited"}  # fmt: skip
_TRIGGERS = _seen("triggers that fire or no longer fire change what the code's writes do")
_POLICIES = _seen("row security decides which rows the code's role sees and writes")
# The subcommands that have a rule; every other is for a human.
_SUBCOMMANDS = {
    At.AT_AddColumn: _add,
    At.AT_DropColumn: _drop,
    At.AT_ColumnDefault: _default,
    At.AT_SetNotNull: _nullability,
    At.AT_DropNotNull: _nullability,
    At.AT_AlterColumnType: _type,
    At.AT_AddIdentity: _add_identity,
    At.AT_DropIdentity: _drop_identity,
    At.AT_AddConstraint: _constraint,
    At.AT_DropConstraint: _drop_named,
    At.AT_AttachPartition: _attach,
    **dict.fromkeys(
        (At.AT_SetStatistics, At.AT_SetOptions, At.AT_ResetOptions, At.AT_SetStorage, At.AT_SetCompression,
         At.AT_ClusterOn, At.AT_DropCluster, At.AT_SetLogged, At.AT_SetUnLogged, At.AT_SetTableSpace,
         At.AT_SetRelOptions, At.AT_ResetRelOptions, At.AT_ValidateConstraint),
        _harmless,
    ),
    **dict.fromkeys((At.AT_EnableTrig, At.AT_EnableAlwaysTrig, At.AT_EnableReplicaTrig, At.AT_DisableTrig,
                     At.AT_EnableTrigAll, At.AT_DisableTrigAll, At.AT_EnableTrigUser, At.AT_DisableTrigUser),
                    _TRIGGERS),
    **dict.fromkeys((At.AT_EnableRowSecurity, At.AT_DisableRowSecurity, At.AT_ForceRowSecurity,
                     At.AT_NoForceRowSecurity), _POLICIES),
    At.AT_ChangeOwner: _seen("the code's role may lose its rights when the table has another owner"),
    At.AT_DetachPartition: _seen("the partition's rows are gone from it, and new ones for it find no place"),
    At.AT_DropExpression: _seen("a column that the database computed is computed no more"),
    At.AT_SetExpression: _seen("the database computes a column otherwise than before"),
    At.AT_SetIdentity: _seen("the database numbers rows otherwise than before"),
    At.AT_ReplicaIdentity: _seen("on a published table PostgreSQL may refuse UPDATE and DELETE"),
    At.AT_AddInherit: _seen("another table's rows are read with its own"),
    At.AT_DropInherit: _seen("the other table's rows are no longer read with its own"),
}  # fmt: skip
