"""Constraints and indexes, folded into the net change.

https://www.postgresql.org/docs/current/ddl-constraints.html, .../sql-createindex.html. Generated names follow
ChooseConstraintName in PostgreSQL's source: table_columns_key, _fkey, _check, _pkey.
"""

from typing import Any

from pglast import ast
from pglast.enums import ConstrType

from runbook.migrations.verdict.expressions import cannot_fail, columns_in, is_a
from runbook.migrations.verdict.findings import ADDITIVE
from runbook.migrations.verdict.schema_delta import Column, Constraint, SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Unclear, from_parts

_KINDS = {
    ConstrType.CONSTR_PRIMARY: ("primary key", "pkey"),
    ConstrType.CONSTR_UNIQUE: ("unique", "key"),
    ConstrType.CONSTR_CHECK: ("check", "check"),
    ConstrType.CONSTR_FOREIGN: ("foreign key", "fkey"),
    ConstrType.CONSTR_EXCLUSION: ("exclusion", "excl"),
    ConstrType.CONSTR_NOTNULL: ("not null", "not_null"),
}
_METHODS = {"btree", "hash", "gin", "gist", "brin", "spgist"}

#: The kinds that DROP INDEX can remove.
_INDEXES = ("index", "index of any length", "unique")


def add_constraint(delta: SchemaDelta, table: Table, node: Any, statement: Statement, beside: list[Column]) -> None:
    """Add a constraint, written separately or as part of a column (`beside`)."""
    if node.contype not in _KINDS:
        raise Unclear(f"there is no rule for {node.contype.name}")
    kind, suffix = _KINDS[node.contype]
    names = [part.sval for part in node.keys or node.fk_attrs or ()]
    if kind == "check":
        names = columns_in(node.raw_expr)
    elif kind == "exclusion":
        names = [element.name for element, _ in node.exclusions if element.name]
    columns = [table.column(name) for name in names] or beside
    nameless = kind == "primary key" or (kind == "check" and len(columns) > 1)
    given = [table.name.name, *(() if nameless else (column.name for column in columns)), suffix]
    made = Constraint(
        kind, node.conname or "_".join(given), columns, statement,
        check=node.raw_expr, nulls_equal=bool(node.nulls_not_distinct),
    )  # fmt: skip
    if node.indexname:
        _use_index(table, node.indexname, made)
    if kind == "foreign key":
        made.parent = delta.table_of(node.pktable)
        made.parent_columns = tuple(part.sval for part in node.pk_attrs or ())
        made.on_delete, made.on_update = node.fk_del_action, node.fk_upd_action
    if kind == "primary key" and table.new:
        for column in columns:
            column.not_null = True
    table.constraints.append(made)


def _use_index(table: Table, index: str, made: Constraint) -> None:
    """Fold ADD CONSTRAINT … USING INDEX: the index becomes the constraint."""
    unique = table.take(index)
    if unique is None:
        made.expressions = True  # an index from before the range, whose columns are unknown
    else:
        made.columns, made.nulls_equal, made.expressions = unique.columns, unique.nulls_equal, unique.expressions


def drop_constraint(table: Table, name: str, statement: Statement) -> None:
    """Drop a constraint. One that the range made is forgotten, one from before the range is an effect."""
    if table.take(name) is None and not table.new:
        reason = (
            f"without the constraint {name}, every write that was allowed still is; only handwritten SQL with "
            "ON CONFLICT on it or its columns would fail"
        )
        table.affect(statement, reason, ADDITIVE, constraint=name)


def create_index(delta: SchemaDelta, statement: Statement) -> None:
    """Fold CREATE INDEX, unique or not, concurrently or not."""
    node = statement.node
    table = delta.table_of(node.relation)
    if node.accessMethod not in _METHODS:
        raise Unclear(f"there is no rule for the index method {node.accessMethod}")
    trees = [tree for tree in (*(param.expr for param in node.indexParams), node.whereClause) if tree is not None]
    names = [param.name for param in node.indexParams if param.name]
    names += [name for tree in trees for name in columns_in(tree)]
    columns = [table.column(name) for name in dict.fromkeys(names)]
    if not all(map(cannot_fail, trees)):
        table.affect(statement, "PostgreSQL evaluates the index's expression on every write, and that may fail")
    kind = "index" if node.accessMethod in {"btree", "gist", "spgist"} else "index of any length"
    name = node.idxname or ""
    if node.unique:
        kind, name = "unique", name or "_".join([table.name.name, *(column.name for column in columns), "idx"])
    nulls_equal = bool(node.nulls_not_distinct)
    made = Constraint(kind, name, columns, statement, nulls_equal=nulls_equal, expressions=bool(trees))
    table.constraints.append(made)


def drop_index(delta: SchemaDelta, parts: Any, statement: Statement) -> None:
    """Fold DROP INDEX. One that the range made is forgotten. Dropping one from before only makes queries slower."""
    name = from_parts(parts)
    if len(parts) == 1 and delta.path_changed:
        raise Unclear(f"the meaning of {name} depends on the search path, which the SQL itself has changed")
    # A constraint of another kind may have the same name. It is not dropped.
    if any(table.name.schema == name.schema and table.take(name.name, _INDEXES) for table in delta.tables):
        return
    without = "without an index, queries return the same rows, but more slowly"
    reason = f"{without}; only ON CONFLICT in handwritten SQL needs one"
    delta.find(statement, ADDITIVE, name, reason)


def rename_constraint(delta: SchemaDelta, table: Table | None, old: str, new: str) -> None:
    """Rename a constraint or index that the range made."""
    for owner in [table] if table is not None else delta.tables:
        for constraint in owner.constraints:
            if constraint.name == old:
                constraint.name = new


def is_not_null_check(constraint: Constraint) -> Column | None:
    """Return the column of a NOT NULL constraint or a CHECK (column IS NOT NULL), or None for any other constraint."""
    tree = constraint.check
    if constraint.kind == "not null" and len(constraint.columns) == 1:
        return constraint.columns[0]
    if not is_a(tree, ast.NullTest) or tree.nulltesttype.name != "IS_NOT_NULL":
        return None
    return constraint.columns[0] if isinstance(tree.arg, ast.ColumnRef) and len(constraint.columns) == 1 else None
