"""The contents of a new view, as far as its query shows them.

https://www.postgresql.org/docs/current/sql-createview.html, "Updatable Views".
"""

from typing import Any

from pglast import ast

from runbook.migrations.verdict.expressions import is_a
from runbook.migrations.verdict.schema_delta import SchemaDelta, Table, View
from runbook.migrations.verdict.table_names import Unclear

_UNWRITABLE = (
    "distinctClause", "groupClause", "havingClause", "windowClause", "limitCount", "limitOffset", "withClause",
    "valuesLists", "larg",
)  # fmt: skip


def shown_by(delta: SchemaDelta, node: Any) -> View:
    """Return the contents of the view in a CREATE VIEW statement."""
    query, aliases = node.query, [part.sval for part in node.aliases or ()]
    if not is_a(query, ast.SelectStmt) or query.larg is not None or query.valuesLists:
        return View(None)
    targets: list[Any] = list(query.targetList or ())
    base = _base(delta, query)
    if len(targets) == 1 and not aliases and _is_star(targets[0].val):
        return View(None, base, every=True, writable=_writable(query, base), whole=query.whereClause is None)
    names = [target.name or _column(target.val) for target in targets]
    names[: len(aliases)] = aliases
    if None in names:
        return View(None, writable=_writable(query, base))
    as_it_is = base is not None and all(
        _column(target.val) == name for target, name in zip(targets, names, strict=True)
    )
    return View(
        frozenset(str(name) for name in names), base if as_it_is else None,
        writable=_writable(query, base) and not any(_computes_rows(target.val) for target in targets),
        whole=query.whereClause is None,
    )  # fmt: skip


def _writable(query: Any, base: Table | None) -> bool:
    return base is not None and not any(getattr(query, name, None) for name in _UNWRITABLE)


def _computes_rows(tree: Any) -> bool:
    """Return whether an expression may be an aggregate, window or set-returning call, which makes a view read-only."""
    return is_a(tree, ast.FuncCall)


def _base(delta: SchemaDelta, query: Any) -> Table | None:
    if len(query.fromClause or ()) != 1 or not is_a(query.fromClause[0], ast.RangeVar):
        return None
    try:
        return delta.table_of(query.fromClause[0])
    except Unclear:
        return None


def _is_star(tree: Any) -> bool:
    return is_a(tree, ast.ColumnRef) and is_a(tree.fields[-1], ast.A_Star)


def _column(tree: Any) -> str | None:
    """Return the name of an output column without an alias, or None if PostgreSQL would generate one."""
    if is_a(tree, ast.ColumnRef) and is_a(tree.fields[-1], ast.String):
        return str(tree.fields[-1].sval)
    return None
