"""A column that the range moved to another table, recognized if each row is certain to lead to its value.

That is certain if the range filled a new column from the new table by that value, if every row has one, and if each
value is unique: `UPDATE orders SET customer_id = customers.id FROM customers WHERE customers.name = orders.customer`,
then NOT NULL, a foreign key, and `UNIQUE (name)`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pglast import ast

from runbook.migrations.bridge.definitions import Definitions
from runbook.migrations.bridge.relaxation import parts_of
from runbook.migrations.image.mapped_models import MappedTable
from runbook.migrations.verdict.column_types import of_text
from runbook.migrations.verdict.schema_delta import Default, SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Name, named


@dataclass(frozen=True)
class Split:
    """A column `old` whose values are in column `value` of table `other`. Column `link` references its `key`."""

    old: str
    other: Name
    value: str
    key: str
    link: str


def splits(
    delta: SchemaDelta, table: Table, mapped: MappedTable, known: Definitions, statements: Sequence[Statement]
) -> list[Split] | None:
    """Return where each dropped mapped column has moved to, or None if one of them is lost."""
    found: list[Split] = []
    for old in table.gone:
        if old not in mapped.by_name:
            continue
        split = next(_filled(delta, table, old, statements), None)
        if split is None or not _whole(delta, table, mapped, known, split):
            return None
        found.append(split)
    return found


def _filled(delta: SchemaDelta, table: Table, old: str, statements: Sequence[Statement]) -> Iterator[Split]:
    """Yield the move done by a statement that filled a new column by the values of `old`, if no other wrote there."""
    writes = [
        each.node for each in statements if isinstance(each.node, ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt)
    ]
    for node in writes:
        if not isinstance(node, ast.UpdateStmt) or _name(node.relation) != table.origin:
            continue
        targets: tuple[Any, ...] = tuple(node.targetList or ())
        beside: tuple[Any, ...] = tuple(node.fromClause or ())
        if len(targets) != 1 or len(beside) != 1 or not isinstance(beside[0], ast.RangeVar):
            continue
        here, there = _called(node.relation), _called(beside[0])
        other, value = _name(beside[0]), _equal(node.whereClause, (here, old), there)
        key = _column(targets[0].val, there)
        if value is None or key is None or delta.current.get(other) is None:
            continue
        touched = [each for each in writes if each is not node and _name(each.relation) in (other, table.origin)]
        if not touched:
            yield Split(old, other, value, key, targets[0].name)


def _whole(delta: SchemaDelta, table: Table, mapped: MappedTable, known: Definitions, split: Split) -> bool:
    """Return whether every row leads to exactly one value, of the same type, and a new value can be inserted."""
    other, link = delta.current[split.other], table.columns.get(split.link)
    value = other.columns.get(split.value)
    if not other.new or not other.complete or value is None or link is None or link.origin is not None:
        return False
    here, there = parts_of(table.name), parts_of(other.name)
    leads = any(
        made.kind == "foreign key" and made.columns == [link] and made.parent is other
        and made.parent_columns in ((), (split.key,)) and known.get(("constraint", *here, made.name))
        for made in table.constraints
    )  # fmt: skip
    once = any(
        made.kind == "unique" and made.columns == [value] and not made.expressions
        and (("constraint", *there, made.name) in known or ("index", *there, made.name) in known)
        for made in other.constraints
    )  # fmt: skip
    filled = all(
        not each.not_null or each is value or each.default not in (None, Default.NONE)
        for each in other.columns.values()
    )
    never_null = ("not null", *here, split.link) in known and ("not null", *there, split.value) in known
    return leads and once and filled and never_null and of_text(mapped.by_name[split.old].type) == value.type


def _name(relation: Any) -> Name:
    return named(relation.schemaname, relation.relname)


def _called(relation: Any) -> str:
    return str(relation.alias.aliasname if relation.alias else relation.relname)


def _column(tree: Any, of: str) -> str | None:
    """Return the name of a column qualified with `of`, or None for any other tree."""
    if not isinstance(tree, ast.ColumnRef):
        return None
    words = [part.sval for part in tree.fields or () if isinstance(part, ast.String)]
    return str(words[1]) if len(words) == 2 and words[0] == of else None


def _equal(tree: Any, one: tuple[str, str], of: str) -> str | None:
    """Return the column of `of` that must equal the column `one`, or None if the tree is any other condition."""
    if not isinstance(tree, ast.A_Expr) or [part.sval for part in tree.name or ()] != ["="]:
        return None
    for left, right in ((tree.lexpr, tree.rexpr), (tree.rexpr, tree.lexpr)):
        if _column(left, one[0]) == one[1]:
            return _column(right, of)
    return None
