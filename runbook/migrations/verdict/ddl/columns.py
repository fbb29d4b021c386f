"""What a statement does to a column, folded into the net change.

https://www.postgresql.org/docs/current/ddl-alter.html
"""

from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as At
from pglast.enums import ConstrType

from runbook.migrations.verdict.column_types import SERIALS, of_tree
from runbook.migrations.verdict.ddl.constraints import add_constraint
from runbook.migrations.verdict.expressions import cannot_fail, columns_in, never_null
from runbook.migrations.verdict.schema_delta import Column, Default, SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Unclear

_IGNORED = {
    ConstrType.CONSTR_ATTR_DEFERRABLE,
    ConstrType.CONSTR_ATTR_NOT_DEFERRABLE,
    ConstrType.CONSTR_ATTR_DEFERRED,
    ConstrType.CONSTR_ATTR_IMMEDIATE,
    ConstrType.CONSTR_ATTR_ENFORCED,
}


def add_column(net: SchemaDelta, table: Table, node: Any, statement: Statement) -> None:
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


def add(net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """ADD COLUMN."""
    name = command.def_.colname
    if command.missing_ok and name in table.columns:
        return
    add_column(net, table, command.def_, statement)
    if command.missing_ok:
        table.columns[name].by["if missing"] = statement


def drop(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """DROP COLUMN."""
    if command.missing_ok and command.name not in table.columns and (table.new or command.name in table.gone):
        return
    new = table.column(command.name).origin is None
    table.drop(command.name, statement)
    if command.behavior.name == "DROP_CASCADE" and not new:
        raise Unclear("CASCADE drops whatever depends on it, which the SQL does not tell")


def default(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """SET DEFAULT and DROP DEFAULT."""
    set_default(table.column(command.name), command.def_, statement)


def nullability(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """SET NOT NULL and DROP NOT NULL."""
    column = table.column(command.name)
    column.not_null = command.subtype is At.AT_SetNotNull
    column.by["not null"] = statement


def retype(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """TYPE."""
    column = table.column(command.name)
    column.type = of_tree(command.def_.typeName)
    using = command.def_.raw_default
    while isinstance(using, ast.TypeCast):
        using = using.arg
    plain = using is None or (isinstance(using, ast.ColumnRef) and columns_in(using) == [command.name])
    column.rewritten = column.rewritten or not plain or command.def_.collClause is not None
    column.by["type"] = statement


def add_identity(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """ADD GENERATED … AS IDENTITY."""
    column = table.column(command.name)
    column.default = _identity(command.def_)
    column.by["default"] = statement


def drop_identity(_net: SchemaDelta, table: Table, command: Any, statement: Statement) -> None:
    """DROP IDENTITY."""
    column = table.column(command.name)
    if command.missing_ok and column.default not in {Default.IDENTITY, Default.IDENTITY_ALWAYS}:
        raise Unclear(f"whether {command.name} was an identity column, and so loses its numbers, is not in the SQL")
    set_default(column, None, statement)


def _identity(node: Any) -> Default:
    return Default.IDENTITY_ALWAYS if node.generated_when == "a" else Default.IDENTITY
