"""Statements that make, change and drop tables, folded into the net change.

What each form does: https://www.postgresql.org/docs/current/sql-createtable.html and .../sql-altertable.html
"""

from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as At
from pglast.enums import ObjectType

from runbook.migrations.verdict.ddl import columns
from runbook.migrations.verdict.ddl.columns import add_column
from runbook.migrations.verdict.ddl.constraints import add_constraint, drop_constraint
from runbook.migrations.verdict.findings import Verdict
from runbook.migrations.verdict.schema_delta import Effect, SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Unclear


def create_table(net: SchemaDelta, statement: Statement) -> None:
    """CREATE TABLE; a partition and a child of an old table change what the old table gives."""
    node = statement.node
    name = net.name_of(node.relation)
    if name == net.bookkeeping:
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


def _inherit(net: SchemaDelta, statement: Statement) -> None:
    for parent in statement.node.inhRelations or ():
        above = net.table(net.name_of(parent))
        net.table(net.name_of(statement.node.relation)).parent = above
        if statement.node.partbound is None:
            above.effects.append(Effect(statement, "its rows will be read with those of the table it inherits from"))
        elif statement.node.tableElts:
            above.effects.append(Effect(statement, "rows written to the new partition must meet its own rules"))


def alter_table(net: SchemaDelta, statement: Statement) -> None:
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


def _alter_index(net: SchemaDelta, statement: Statement) -> None:
    for command in statement.node.cmds:
        if command.subtype not in {
            At.AT_SetTableSpace,
            At.AT_SetRelOptions,
            At.AT_ResetRelOptions,
            At.AT_SetStatistics,
        }:
            raise Unclear(f"no rule knows {command.subtype.name} on an index")
    net.find(statement, Verdict.ADDITIVE, statement.node.relation.relname, "how an index is stored changes no result")


def _constraint(net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    add_constraint(net, table, command.def_, statement, [])


def _drop_named(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    drop_constraint(table, command.name, statement)
    if command.behavior.name == "DROP_CASCADE" and not table.new:
        raise Unclear("CASCADE drops whatever depends on it, which the SQL does not tell")


def _harmless(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    if command.subtype in {At.AT_SetRelOptions, At.AT_ResetRelOptions}:
        for option in command.def_ or ():
            stored = option.defname.startswith("autovacuum_") or option.defname in _STORAGE
            if not stored:
                raise Unclear(f"no rule knows the option {option.defname}")
    table.effects.append(Effect(statement, "how a table is stored or checked changes no result", Verdict.ADDITIVE))


def _attach(net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    part = net.table(net.name_of(command.def_.name))
    part.parent = table
    if not (part.new and part.complete and not part.constraints):
        reason = "the rows of the partition appear in it, and what is written there must meet the partition's own rules"
        table.effects.append(Effect(statement, reason))


def _detach(net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    part = net.table(net.name_of(command.def_.name))
    part.parent = None if part.new else table
    reason = "the partition's rows are gone from it, and new ones for it find no place"
    table.effects.append(Effect(statement, reason))


def _seen(reason: str) -> Any:
    def effect(_net: SchemaDelta, table: Table, _command: Any, statement: Statement) -> None:
        table.effects.append(Effect(statement, reason))

    return effect


def _unknown(_net: SchemaDelta, _table: Table, command: Any, _statement: Statement) -> None:
    raise Unclear(f"no rule knows {command.subtype.name} in ALTER TABLE")


_STORAGE = {"fillfactor", "toast_tuple_target", "parallel_workers", "log_autovacuum_min_duration", "vacuum_truncate",
            "vacuum_index_cleanup", "n_distinct", "n_distinct_inherited"}  # fmt: skip
_TRIGGERS = _seen("triggers that fire or no longer fire change what the code's writes do")
_POLICIES = _seen("row security decides which rows the code's role sees and writes")
# The subcommands that have a rule; every other is for a human.
_SUBCOMMANDS = {
    At.AT_AddColumn: columns.add,
    At.AT_DropColumn: columns.drop,
    At.AT_ColumnDefault: columns.default,
    At.AT_SetNotNull: columns.nullability,
    At.AT_DropNotNull: columns.nullability,
    At.AT_AlterColumnType: columns.retype,
    At.AT_AddIdentity: columns.add_identity,
    At.AT_DropIdentity: columns.drop_identity,
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
    At.AT_DetachPartition: _detach,
    At.AT_DropExpression: _seen("a column that the database computed is computed no more"),
    At.AT_SetExpression: _seen("the database computes a column otherwise than before"),
    At.AT_SetIdentity: _seen("the database numbers rows otherwise than before"),
    At.AT_ReplicaIdentity: _seen("on a published table PostgreSQL may refuse UPDATE and DELETE"),
    At.AT_AddInherit: _seen("another table's rows are read with its own"),
    At.AT_DropInherit: _seen("the other table's rows are no longer read with its own"),
}  # fmt: skip
