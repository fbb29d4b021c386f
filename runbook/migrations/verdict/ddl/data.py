"""Statements that change rows, only read, or change settings, folded into the net change.

https://www.postgresql.org/docs/current/dml.html
"""

from typing import Any

from pglast import ast

from runbook.migrations.verdict.expressions import is_a, only_reads, walk
from runbook.migrations.verdict.findings import ADDITIVE, REVIEW, Asks
from runbook.migrations.verdict.schema_delta import SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Unclear, named

_SEARCH_PATH = "search_path"


def write(delta: SchemaDelta, statement: Statement) -> None:
    """Fold INSERT, UPDATE, DELETE or MERGE. Rows of a table that the range makes are not a separate change."""
    node = statement.node
    pure = _pure(delta, node)
    if (
        named(node.relation.schemaname, node.relation.relname) == delta.bookkeeping
        and pure
        and not isinstance(node, ast.MergeStmt)
    ):
        return
    table = delta.table_of(node.relation)
    if not pure or table.name == delta.bookkeeping:
        raise Unclear("it runs something that no rule covers, which may change anything")
    if table.new and not (isinstance(node, ast.DeleteStmt) and _children(delta, table)):
        table.filled = statement
        return
    if isinstance(node, ast.UpdateStmt) and _only_new_columns(node, table):
        reason = "it fills columns that the range itself added, which the target's code does not read"
        delta.find(statement, ADDITIVE, table.name, reason)
        return
    reason = "it changes existing rows; the SQL does not show whether the target's code can live with that"
    table.affect(statement, reason, rows=True)


def _children(delta: SchemaDelta, table: Table) -> bool:
    """Return whether tables from before the range reference `table`, so that deletes in it may delete their rows."""
    return any(made.parent is table for other in delta.tables if not other.new for made in other.constraints)


def _pure(delta: SchemaDelta, node: Any) -> bool:
    """Return whether a statement changes only the rows that it names. Cached per tree, which statements may share."""
    if id(node) not in delta.pure:
        delta.pure[id(node)] = (node, only_reads(node, but=node))
    return delta.pure[id(node)][1]


def _only_new_columns(node: Any, table: Table) -> bool:
    return all(target.name in table.columns and table.columns[target.name].origin is None for target in node.targetList)


def truncate(delta: SchemaDelta, statement: Statement) -> None:
    """Fold TRUNCATE of one or more tables."""
    for relation in statement.node.relations:
        table = delta.table_of(relation)
        cascades = statement.node.behavior.name == "DROP_CASCADE"
        if cascades or table.name == delta.bookkeeping or (table.new and _children(delta, table)):
            raise Unclear(f"it empties {table.name} and other tables that the SQL does not name")
        if not table.new:
            table.affect(statement, "the SQL does not show whether the target's code can live without its rows")


def copy(delta: SchemaDelta, statement: Statement) -> None:
    """Fold COPY of rows into a table. Any other COPY (from a program, or out of the database) may do anything."""
    node = statement.node
    if node.relation is None or not node.is_from or node.is_program:
        raise Unclear("the SQL does not show everything that this COPY does")
    table = delta.table_of(node.relation)
    if table.new:
        table.filled = statement
    else:
        table.affect(statement, "the rows that COPY loads are not judged")


def read(delta: SchemaDelta, statement: Statement) -> None:
    """Fold SELECT. It has no effect if it only reads, except that set_config may change the search path."""
    node = statement.node
    calls: list[Any] = [call for call in walk(node) if is_a(call, ast.FuncCall)]
    for call in calls:
        if call.funcname[-1].sval == "set_config":
            delta.path_changed = True
    if node.targetList and all(_sets_session(target.val) for target in node.targetList) and not node.fromClause:
        return
    if not only_reads(node):
        raise Unclear("it runs something that no rule covers, which may change anything")


def _sets_session(node: Any) -> bool:
    """Return whether a node is a set_config call with constants, as pg_dump writes it."""
    return (
        is_a(node, ast.FuncCall)
        and [part.sval for part in node.funcname] in (["pg_catalog", "set_config"], ["set_config"])
        and all(isinstance(arg, ast.A_Const) for arg in node.args or ())
        and is_a(node.args[0].val, ast.String)
        and node.args[0].val.sval in SESSION | {_SEARCH_PATH}
    )


# Settings that change neither the meaning of later statements nor anything that outlives the session.
SESSION = {
    "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
    "client_encoding", "client_min_messages", "standard_conforming_strings", "check_function_bodies", "xmloption",
    "row_security", "default_tablespace", "default_table_access_method", "maintenance_work_mem", "work_mem",
    "synchronous_commit", "application_name", "max_parallel_maintenance_workers", "deadlock_timeout",
}  # fmt: skip


def set_setting(delta: SchemaDelta, statement: Statement) -> None:
    """Fold SET and RESET. The search path decides what names mean. Any other setting must be on the list."""
    node = statement.node
    if node.name == _SEARCH_PATH or (node.kind.name == "VAR_RESET_ALL"):
        values = [arg.val.sval if isinstance(arg.val, ast.String) else "?" for arg in node.args or ()]
        if not values or not set(values) <= {"public", "$user"} or "public" not in values:
            delta.path_changed = True
        return
    if node.name not in SESSION:
        raise Unclear(f"there is no rule for the setting {node.name}")


def set_for_later(delta: SchemaDelta, statement: Statement) -> None:
    """Fold ALTER ROLE or DATABASE … SET. The code's later sessions may have that setting."""
    node = statement.node.setstmt
    if node.name == _SEARCH_PATH:
        delta.paths_to_come |= {
            named(arg.val.sval, "").schema for arg in node.args or () if isinstance(arg.val, ast.String)
        }
        reason = "only the database can tell whether the target's code connects with this search path"
        delta.find(statement, REVIEW, "search_path", reason, Asks(copy=True))
        return
    raise Unclear(f"the target's code may connect with a different {node.name or 'setting'} than before")
