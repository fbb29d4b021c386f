"""Old names of tables and columns, kept by a view through which PostgreSQL reads and writes.

https://www.postgresql.org/docs/current/sql-createview.html, "Updatable Views": every column of the view is a column of
the table, every row is in the view, and the table's defaults apply. Renamed columns keep their new names too.
"""

from collections.abc import Iterator, Mapping, Sequence

from runbook.migrations.bridge.definitions import Definitions
from runbook.migrations.bridge.joined import aside_of, joined, rights, shown
from runbook.migrations.bridge.relaxation import Kind, Relaxation, parts_of, sql_of
from runbook.migrations.bridge.shapes import Shape, Shapes
from runbook.migrations.bridge.splits import splits
from runbook.migrations.database import quoted
from runbook.migrations.image.mapped_models import Models
from runbook.migrations.verdict.schema_delta import SchemaDelta, Table
from runbook.migrations.verdict.statements import Statement
from runbook.migrations.verdict.table_names import Name, use_of


def views(
    delta: SchemaDelta,
    models: Models,
    there: Shapes,
    known: Definitions,
    statements: Sequence[Statement],
) -> Iterator[Relaxation]:
    """Yield a view for each mapped table that the range renamed, or whose columns it renamed or moved."""
    for table in delta.tables:
        origin = table.origin
        mapped = None if origin is None else use_of(models, origin).table
        if origin is None or mapped is None or table.dropped is not None or table.view is not None:
            continue
        renamed = {each.name: each.origin for each in table.columns.values() if each.origin not in (None, each.name)}
        shape = there.get(parts_of(table.name))
        apart = splits(delta, table, mapped, known, statements)
        if (not renamed and not apart and table.name == origin) or shape is None or not shape.plain:
            continue
        names = {new: str(old) for new, old in renamed.items()}
        # Another column has the old name now, or the range changed rows under the new names, which no view undoes.
        if set(names.values()) & set(shape.columns) or (names and any(each.rows for each in table.effects)):
            continue
        moved = table.name != origin
        if apart:
            found = None if moved else joined(table.name, mapped, names, apart, shape, there)
        else:
            found = _instead(table, origin, names, shape, there) if moved else _aside(table, names, shape, there)
        if found is not None:
            yield found


def _instead(table: Table, origin: Name, names: Mapping[str, str], shape: Shape, there: Shapes) -> Relaxation | None:
    """Return a view with the table's old name. It has only the old column names, because the table has the new ones."""
    if parts_of(origin) in there:
        return None
    listed = [shown(each, names.get(each)) for each in shape.columns]
    up = (_view(origin, listed, table.name), *rights(origin, shape))
    return Relaxation(Kind.NAMES, table.name, str(origin), up, (f"DROP VIEW {sql_of(origin)}",))


def _aside(table: Table, names: Mapping[str, str], shape: Shape, there: Shapes) -> Relaxation | None:
    """Return a view that takes the table's name, with all new column names and the old names of renamed columns.

    The table itself is renamed out of the way.
    """
    own, aside = table.name.name, aside_of(table.name, there)
    if aside is None:
        return None
    behind = Name(table.name.schema, aside)
    listed = [*map(quoted, shape.columns), *(shown(new, old) for new, old in names.items())]
    up = (
        f"ALTER TABLE {sql_of(table.name)} RENAME TO {quoted(aside)}",
        _view(table.name, listed, behind),
        *rights(table.name, shape),
    )
    down = (f"DROP VIEW {sql_of(table.name)}", f"ALTER TABLE {sql_of(behind)} RENAME TO {quoted(own)}")
    return Relaxation(Kind.NAMES, table.name, ", ".join(names.values()), up, down)


def _view(name: Name, listed: list[str], table: Name) -> str:
    return f"CREATE VIEW {sql_of(name)} AS SELECT {', '.join(listed)} FROM {sql_of(table)}"  # noqa: S608 - quoted
