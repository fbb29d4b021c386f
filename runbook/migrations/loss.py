"""What a downgrade would destroy: the tables and columns that its SQL drops, and how many rows hold values there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import AlterTableType, ObjectType
from pglast.parser import ParseError

from runbook.errors import Inconclusive
from runbook.migrations.catalog import Catalog
from runbook.migrations.names import BOOKKEEPING, Name


@dataclass(frozen=True)
class Loss:
    """One table, or one column of a table, that would go; `rows` hold values in it now, None when that is not known."""

    table: str
    column: str | None
    rows: int | None

    def __str__(self) -> str:
        what = f"column {self.table}.{self.column}" if self.column else f"table {self.table}"
        return f"{what}: {'an unknown number of' if self.rows is None else self.rows} rows hold values"


def dropped(downgrade_sql: str, bookkeeping: Name = BOOKKEEPING) -> list[tuple[str, str | None]]:
    """The (table, column) that `downgrade_sql` drops, in its order; the column is None for a whole table.

    Alembic's own table, `bookkeeping`, is left out.
    A table that is emptied, or that rows are deleted from, counts as whole.
    Raises Inconclusive when the SQL cannot be parsed: what it would destroy is not known then.
    """
    try:
        statements = parse_sql(downgrade_sql)
    except ParseError as error:
        raise Inconclusive(
            f"the downgrade's SQL cannot be parsed ({error})", "read the migration; hold production as it is until then"
        ) from None
    return [drop for raw in statements for drop in _drops(raw.stmt) if drop[0] != str(bookkeeping)]


def _drops(statement: Any) -> Iterator[tuple[str, str | None]]:
    if isinstance(statement, ast.DropStmt) and statement.removeType == ObjectType.OBJECT_TABLE:
        for names in statement.objects or ():
            yield _name([name.sval for name in names]), None
    elif isinstance(statement, ast.TruncateStmt):
        for relation in statement.relations or ():
            yield _of(relation), None
    elif isinstance(statement, ast.DeleteStmt) and statement.relation is not None:
        yield _of(statement.relation), None
    elif isinstance(statement, ast.AlterTableStmt) and statement.relation is not None:
        table = _of(statement.relation)
        for command in statement.cmds or ():
            if command.subtype == AlterTableType.AT_DropColumn:
                yield table, command.name


def _of(relation: Any) -> str:
    return _name([str(part) for part in (relation.schemaname, relation.relname) if part])


def _name(parts: list[str]) -> str:
    return ".".join(parts[1:] if parts[0] == "public" else parts)


def named(downgrade_sql: str, catalog: Catalog, bookkeeping: Name = BOOKKEEPING) -> list[Loss]:
    """Everything that the downgrade would destroy, with what it holds now. Raises Inconclusive as `dropped` does.

    What the catalog does not know by that name (it is renamed on the way, say) counts as unknown, not as empty.
    """
    columns = catalog.columns()
    losses = []
    for table, column in dropped(downgrade_sql, bookkeeping):
        known = table in columns and (column is None or column in columns[table])
        counts = catalog.values_held(table, [column] if column else []) if known else {}
        losses.append(Loss(table, column, counts.get(column or "*")))
    return losses
