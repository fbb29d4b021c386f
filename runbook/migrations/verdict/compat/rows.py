"""Rules for rows that the range itself adds or changes in a table that existed before.

The failed release could have written the same constant rows while it ran, so code that reads the table may meet them
anyway. https://www.postgresql.org/docs/current/dml.html
"""

from typing import Any

from pglast import ast, parse_sql
from pglast.enums import OnConflictAction

from runbook.migrations.image.mapped_models import MappedColumn, MappedTable
from runbook.migrations.verdict.compat.columns import Judged
from runbook.migrations.verdict.defaults import never_null
from runbook.migrations.verdict.expressions import changed_where_null, is_a
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW
from runbook.migrations.verdict.schema_delta import Effect

Given = list[tuple[str, Any]]  # column names, and the trees of their values


def changed_rows(effect: Effect, mapped: MappedTable) -> Judged:  # noqa: PLR0911 - one return per rule
    """Judge an INSERT or UPDATE of a mapped table. Any other change of rows is `review`."""
    node = effect.statement.node
    given = _inserted(node) if is_a(node, ast.InsertStmt) else _updated(node, mapped)
    if given is None:
        return REVIEW, effect.reason
    numbered = [name for name, value in given if _numbered(mapped.by_name.get(name)) and not _default(value)]
    if numbered:
        reason = f"it sets {numbered[0]}, and the next number that the database issues may be the same"
        return REVIEW, reason
    if any(not _constant(value) for name, value in given if name in mapped.by_name):
        return REVIEW, effect.reason
    strange = _strange(effect.statement.text, given, mapped)
    if strange:
        return BREAKING, strange
    if is_a(node, ast.InsertStmt):
        return ADDITIVE, "the rows hold constants that the failed release could also have written while it ran"
    if not any(name in mapped.by_name for name, _ in given):
        return ADDITIVE, "it changes only columns that the target's code does not map"
    return ADDITIVE, "it only fills NULLs"


def _numbered(column: MappedColumn | None) -> bool:
    return column is not None and column.primary_key and column.server_default


def _default(tree: Any) -> bool:
    return is_a(tree, ast.SetToDefault)


def _constant(tree: Any) -> bool:
    """Return whether a tree is a constant, the parameter that replaces one in a cached tree, or a certain default."""
    while is_a(tree, ast.TypeCast):
        tree = tree.arg
    return is_a(tree, ast.A_Const, ast.ParamRef) or _default(tree) or never_null(tree)


def _inserted(node: Any) -> Given | None:
    """Return the values that an INSERT gives to named columns, or None if it reads them from a query."""
    names, query, conflict = [each.name for each in node.cols or ()], node.selectStmt, node.onConflictClause
    if not names or query is None or (conflict and conflict.action is not OnConflictAction.ONCONFLICT_NOTHING):
        return None
    rows: list[Any] = list(query.valuesLists or ())
    if not rows:
        if query.fromClause or query.larg is not None or query.withClause or not query.targetList:
            return None
        rows = [[target.val for target in query.targetList]]
    return [pair for row in rows for pair in zip(names, row, strict=False)]


def _updated(node: Any, mapped: MappedTable) -> Given | None:
    """Return what an UPDATE sets, or None if it may overwrite a value of a mapped column."""
    if not is_a(node, ast.UpdateStmt):
        return None
    empty = changed_where_null(node)
    given = [(target.name, target.val) for target in node.targetList]
    sets_more = any(name in mapped.by_name and name not in empty for name, _ in given)
    return None if sets_more or any(is_a(value, ast.MultiAssignRef) for _, value in given) else given


def _strange(text: str, given: Given, mapped: MappedTable) -> str:
    """Return a reason if a row holds a label that the code's enum lacks, otherwise an empty string.

    It parses `text` again, because a cached tree has parameters instead of the constants.
    """
    labelled = {name: each.labels for name, each in mapped.by_name.items() if each.labels is not None}
    if not any(name in labelled for name, _ in given):
        return ""
    node: Any = parse_sql(text)[0].stmt
    for name, value in (_inserted(node) if is_a(node, ast.InsertStmt) else _updated(node, mapped)) or ():
        while is_a(value, ast.TypeCast):
            value = value.arg  # noqa: PLW2901 - the constant inside
        told = is_a(value, ast.A_Const) and is_a(value.val, ast.String)
        if name in labelled and told and value.val.sval not in (labelled[name] or ()):
            return f"the target's code does not know {value.val.sval!r} in {name} and fails when it reads the row"
    return ""
