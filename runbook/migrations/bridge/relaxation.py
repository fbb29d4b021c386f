"""What the range made stricter for the target's code, each with the SQL that lifts it and the SQL that restores it.

That SQL changes only the catalog, never a row. The rules of the verdict then judge the range without what was lifted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runbook.incident.schema_facts import Bridge, Relaxed, Touched
from runbook.migrations.bridge.definitions import Definitions
from runbook.migrations.database import quoted
from runbook.migrations.image.mapped_models import Models
from runbook.migrations.verdict.schema_delta import Column, Constraint, Default, SchemaDelta, Table
from runbook.migrations.verdict.table_names import PUBLIC, Name, use_of


class Kind(StrEnum):
    """The kind of object that is relaxed."""

    NOT_NULL = "NOT NULL"
    FOREIGN_KEY = "foreign key"
    CONSTRAINT = "constraint"
    INDEX = "unique index"
    DEFAULT = "default"
    NAMES = "names"


@dataclass(frozen=True)
class Relaxation:
    """One thing that is relaxed: the column or constraint `name` of `table`, under their current names.

    The statements in `up` lift it, those in `down` restore it. The query in `rows` lists the rows that would prevent
    `down` if they were written meanwhile. It is empty if no row can. `regained` are columns that a view brings back.
    `linked` are the columns through which it finds their values, and which it fills.
    """

    kind: Kind
    table: Name
    name: str
    up: tuple[str, ...]
    down: tuple[str, ...]
    rows: str = ""
    regained: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """The change, in words."""
        if self.kind is Kind.NAMES:
            return f"{self.name} can be read and written again, through a view of {self.table}"
        done = "is restored" if self.kind is Kind.DEFAULT else "is lifted"
        return f"{self.kind} {self.name} of {self.table} {done}"

    def taken_from(self, delta: SchemaDelta) -> None:
        """Remove it from the net change, if the range has it."""
        table = delta.current.get(self.table)
        if table is None:
            return
        if self.kind is Kind.NAMES:
            for old in self.regained:
                table.gone.pop(old, None)
            for link in self.linked:
                table.columns[link].not_null = False
            _rename_back(delta, table)
        elif self.kind in (Kind.FOREIGN_KEY, Kind.CONSTRAINT, Kind.INDEX):
            table.take(self.name)
        elif (column := table.columns.get(self.name)) is not None:
            if self.kind is Kind.NOT_NULL:
                column.not_null = False if column.origin is None else None
            else:
                column.default = None


def candidates(delta: SchemaDelta, models: Models, known: Definitions, defaults: Mapping[str, str]) -> list[Relaxation]:
    """Return everything that could be relaxed, except names: what the range made and the database has (`known`).

    `defaults` are those of the target's schema, by column (`schema.table.column`).
    """
    found: list[Relaxation] = []
    for table in delta.tables:
        if table.dropped is not None or table.view is not None:
            continue
        used = not use_of(models, table.origin or table.name).unused
        if used and not table.new:
            for column in table.columns.values():
                found += _of_column(table, column, known, defaults)
        for made in table.constraints:
            above = made.parent is not None and not use_of(models, made.parent.origin or made.parent.name).unused
            if (used and not table.new) or above:
                found += _of_constraint(table, made, known)
    return found


def without(delta: SchemaDelta, relaxed: Sequence[Relaxation]) -> None:
    """Remove all relaxations from the net change."""
    for each in in_order(relaxed):
        each.taken_from(delta)


def in_order(relaxed: Sequence[Relaxation]) -> list[Relaxation]:
    """Sort relaxations into build order: foreign keys before the unique keys that they reference, names last."""
    return sorted(relaxed, key=lambda each: (each.kind is Kind.NAMES, each.kind is not Kind.FOREIGN_KEY))


def _rename_back(delta: SchemaDelta, table: Table) -> None:
    """Give a table and its columns their names from before the range."""
    del delta.current[table.name]
    table.name, table.moved = table.origin or table.name, None
    delta.current[table.name] = table
    for column in [each for each in table.columns.values() if each.origin not in (None, each.name)]:
        del table.columns[column.name]
        column.name = column.origin or column.name
        column.by.pop("renamed", None)
        table.columns[column.name] = column


def _of_column(table: Table, column: Column, known: Definitions, defaults: Mapping[str, str]) -> Iterator[Relaxation]:
    name, own = sql_of(table.name), quoted(column.name)
    there = known.get(("not null", *parts_of(table.name), column.name))
    if column.not_null and there is not None:
        altered = f"ALTER TABLE {name} ALTER COLUMN {own}"
        yield Relaxation(
            Kind.NOT_NULL, table.name, column.name,
            (f"{altered} DROP NOT NULL",), (f"{altered} SET NOT NULL",), there.rows,
        )  # fmt: skip
    was = defaults.get(".".join((*parts_of(table.origin or table.name), column.origin or "")))
    if column.default is Default.NONE and column.origin is not None and was:
        altered = f"ALTER TABLE {name} ALTER COLUMN {own}"
        yield Relaxation(
            Kind.DEFAULT, table.name, column.name, (f"{altered} SET DEFAULT {was}",), (f"{altered} DROP DEFAULT",)
        )


def _of_constraint(table: Table, made: Constraint, known: Definitions) -> Iterator[Relaxation]:
    schema, own, name = *parts_of(table.name), made.name
    if there := known.get(("constraint", schema, own, name)):
        altered, kind = f"ALTER TABLE {sql_of(table.name)}", Kind.CONSTRAINT
        if made.kind == "foreign key":
            kind = Kind.FOREIGN_KEY
        yield Relaxation(
            kind, table.name, name,
            (f"{altered} DROP CONSTRAINT {quoted(name)}",),
            (f"{altered} ADD CONSTRAINT {quoted(name)} {there.sql}",), there.rows,
        )  # fmt: skip
    elif there := known.get(("index", schema, own, name)):
        dropped = f"DROP INDEX {quoted(schema)}.{quoted(name)}"
        yield Relaxation(Kind.INDEX, table.name, name, (dropped,), (there.sql,), there.rows)


def smallest(
    found: Sequence[Relaxation], suffices: Callable[[Sequence[Relaxation]], bool]
) -> tuple[Relaxation, ...] | None:
    """Return a part of `found` that `suffices` and from which nothing can be left out, or None if not even all does."""
    if not found or not suffices(found):
        return None
    needed = list(found)
    for each in found:
        fewer = [other for other in needed if other is not each]
        if suffices(fewer):
            needed = fewer
    return tuple(needed)


def bridge_of(
    relaxations: Sequence[Relaxation], without: Sequence[tuple[str, ...]], built: Sequence[tuple[str, ...]]
) -> Bridge:
    """Return the bridge that relaxations make, given the whole catalog `without` it and the one with it `built`."""
    was, now = ({(kind, name): detail for kind, name, detail in catalog} for catalog in (without, built))
    keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    return Bridge(
        relaxed=tuple(Relaxed(what=each.what, up=each.up, down=each.down, rows=each.rows) for each in relaxations),
        touched=tuple(Touched(kind=key[0], name=key[1], without=was.get(key), built=now.get(key)) for key in keys),
    )


def parts_of(name: Name) -> tuple[str, str]:
    """Return the schema and the name of a table."""
    return name.schema or PUBLIC, name.name


def sql_of(name: Name) -> str:
    """Return a table's qualified name, quoted for SQL."""
    return ".".join(map(quoted, parts_of(name)))
