"""The net change that a range of statements makes to a schema, with the statement behind each part of it.

The schema before the range is known only from its statements: a table or column that a statement touches, and that the
range did not make, existed before. Objects that the range makes and drops again are not part of the net change.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from runbook.migrations.verdict.column_types import SqlType
from runbook.migrations.verdict.findings import REVIEW, Asks, Finding, Verdict
from runbook.migrations.verdict.statements import Statement, shortened
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name, Unclear, named


def found(statement: Statement, verdict: Verdict, thing: object, reason: str, asks: Asks | None = None) -> Finding:
    """Return a finding about a statement. `asks` is the question that would decide it."""
    what, why = shortened(str(thing), 140), shortened(reason, 400)
    return Finding(verdict, statement.shown, what, why, place=statement.place, asks=asks)


class Default(Enum):
    """The value that the database puts into a column that an INSERT leaves out."""

    NONE = "nothing"
    SURE = "a value, always"
    UNSURE = "the result of an expression, which may fail"
    IDENTITY = "the next number"
    IDENTITY_ALWAYS = "the next number, and refuses any other"
    COMPUTED = "a value computed from the row, and refuses any other"
    COMPUTED_UNSURE = "a value computed from the row, which may fail"


@dataclass(eq=False)
class Column:
    """A column after the range. An aspect that the range does not touch is None."""

    name: str
    origin: str | None  # its name before the range
    type: SqlType | None = None
    rewritten: bool = False  # ALTER TYPE computes its values, with more than a cast
    not_null: bool | None = None
    default: Default | None = None
    default_tree: Any = None
    by: dict[str, Statement] = field(default_factory=dict)  # the last statement on each aspect

    def statement(self, *aspects: str) -> Statement:
        """Return the last statement on the first of `aspects` that has one."""
        return next((self.by[aspect] for aspect in aspects if aspect in self.by), Statement(""))


@dataclass(eq=False)
class Constraint:
    """A constraint or index that the range adds."""

    kind: str  # primary key, unique, check, foreign key, exclusion, not null, index, index of any length
    name: str
    columns: list[Column]
    statement: Statement
    check: Any = None
    parent: "Table | None" = None
    parent_columns: tuple[str, ...] = ()
    on_delete: str = "a"
    on_update: str = "a"
    nulls_equal: bool = False
    expressions: bool = False  # a unique index over expressions


@dataclass(eq=False)
class Effect:
    """A change to a table that matters only if the target's code uses the table."""

    statement: Statement
    reason: str
    verdict: Verdict = REVIEW
    constraint: str = ""  # the name of a dropped constraint that existed before the range
    rows: bool = False  # the statement changes rows that its tree names
    asks: Asks | None = None


@dataclass(eq=False)
class View:
    """The contents of a new view: columns by name or all of `base`, and whether PostgreSQL can write through it."""

    columns: frozenset[str] | None  # None if they are unknown
    base: "Table | None" = None  # the only table that it shows, each column under its original name
    every: bool = False  # `*`: all columns of `base`
    writable: bool = False
    whole: bool = False  # all rows of `base`


@dataclass(frozen=True)
class EnumChange:
    """A change of an enum that existed before the range.

    A label is added (`new`) or renamed (`old` to `new`), or the enum is dropped (both None). `renamed`: the type itself
    has a new name.
    """

    statement: Statement
    enum: Name
    old: str | None = None
    new: str | None = None
    renamed: bool = False


@dataclass(eq=False)
class Table:
    """A table or view after the range. `origin` is its name before, or None if the range makes it."""

    name: Name
    origin: Name | None
    made: Statement | None = None
    moved: Statement | None = None
    dropped: Statement | None = None
    complete: bool = True  # all columns of a new table are known
    temporary: bool = False
    view: "View | None" = None
    columns: dict[str, Column] = field(default_factory=dict)
    gone: dict[str, Column] = field(default_factory=dict)  # dropped columns from before the range, by original name
    constraints: list[Constraint] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    parent: "Table | None" = None  # the table whose partition or child it is, or was
    filled: Statement | None = None  # the statement that put rows into a new table

    @property
    def new(self) -> bool:
        """Whether the range makes the table."""
        return self.origin is None

    def affect(
        self, statement: Statement, reason: str, verdict: Verdict = REVIEW, constraint: str = "", *, rows: bool = False
    ) -> None:
        """Record an effect on the table."""
        self.effects.append(Effect(statement, reason, verdict, constraint, rows))

    def take(self, name: str, kinds: Collection[str] | None = None) -> Constraint | None:
        """Remove and return a constraint that the range made, or return None if none has that name and `kinds`."""
        named = (each for each in self.constraints if each.name == name)
        found = next((each for each in named if kinds is None or each.kind in kinds), None)
        if found is not None:
            self.constraints.remove(found)
        return found

    def column(self, name: str) -> Column:
        """Return the column that now has `name`. Raises Unclear when the range dropped or renamed it."""
        if name not in self.columns:
            if name in self.gone or any(column.origin == name for column in self.columns.values()):
                raise Unclear(f"{self.name} no longer has a column {name} at this point in the range")
            self.columns[name] = Column(name, None if self.new else name)
        return self.columns[name]

    def add(self, column: Column) -> None:
        """Add a column. Raises Unclear when its name is taken."""
        if column.name in self.columns:
            raise Unclear(f"{self.name} already has a column {column.name} at this point in the range")
        self.columns[column.name] = column

    def drop(self, name: str, statement: Statement) -> None:
        """Drop a column, and every constraint that the range made on it."""
        column = self.column(name)
        del self.columns[name]
        self.constraints = [kept for kept in self.constraints if column not in kept.columns]
        if column.origin is not None:
            column.by["dropped"] = statement
            self.gone[column.origin] = column

    def rename(self, old: str, new: str, statement: Statement) -> None:
        """Rename a column. Raises Unclear when the new name is taken."""
        column = self.column(old)
        if new in self.columns:
            raise Unclear(f"{self.name} already has a column {new} at this point in the range")
        del self.columns[old]
        column.name = new
        column.by["renamed"] = statement
        self.columns[new] = column


class SchemaDelta:
    """The tables that a range touches, by current name, and the findings that do not depend on the net change."""

    def __init__(self, bookkeeping: Name = BOOKKEEPING) -> None:
        self.bookkeeping = bookkeeping  # Alembic's version table
        self.tables: list[Table] = []
        self.current: dict[Name, Table] = {}
        self.findings: list[Finding] = []
        self.path_changed = False
        self.made: dict[tuple[str, Name], Finding] = {}  # types and sequences that the range makes
        self.plain_types: set[Name] = set()  # types that are certainly not domains
        self.enum_changes: list[EnumChange] = []
        self.enums: dict[Name, tuple[str, ...]] = {}  # the labels of enums that the range makes
        self.partitions: Mapping[Name, Name] | None = None  # the parent of each, None if the database was not asked
        self.paths_to_come: set[str | None] = set()  # schemas in the search path of later sessions
        # Keyed by the id() of a statement's tree. The value holds the tree too, so that the id is not reused.
        self.pure: dict[int, tuple[Any, bool]] = {}

    def find(
        self, statement: Statement, verdict: Verdict, thing: object, reason: str, asks: Asks | None = None
    ) -> None:
        """Record a finding that does not depend on the rest of the range."""
        self.findings.append(found(statement, verdict, thing, reason, asks))

    def name_of(self, relation: Any) -> Name:
        """Return the name of a relation in a statement. Raises Unclear when only the database could tell it."""
        if relation.catalogname:
            raise Unclear(f"{relation.relname} is qualified with a database name")
        if relation.schemaname in {"pg_catalog", "pg_toast", "information_schema"}:
            raise Unclear("it touches PostgreSQL's own catalogs")
        if relation.schemaname is None and self.path_changed:
            raise Unclear(
                f"the meaning of {relation.relname} depends on the search path, which the SQL itself has changed"
            )
        return named(relation.schemaname, relation.relname)

    def table_of(self, relation: Any) -> Table:
        """Return the table that a relation in a statement names. Raises Unclear as `name_of` and `table` do."""
        return self.table(self.name_of(relation))

    def table(self, name: Name) -> Table:
        """Return the table that now has `name`. Raises Unclear when the range dropped or renamed it."""
        if name not in self.current:
            if self.vacated(name):
                raise Unclear(f"there is no longer a table {name} at this point in the range")
            self.make(Table(name, name))
        return self.current[name]

    def vacated(self, name: Name) -> bool:
        """Return whether a table had `name` before the range and no table has it now."""
        return name not in self.current and any(table.origin == name for table in self.tables)

    def make(self, table: Table) -> None:
        """Add a table. Raises Unclear when its name is taken."""
        if table.name in self.current:
            raise Unclear(f"there is already a table {table.name} at this point in the range")
        self.tables.append(table)
        self.current[table.name] = table

    def drop(self, name: Name, statement: Statement) -> None:
        """Drop a table, and the foreign keys to it that the range made."""
        table = self.table(name)
        table.dropped = statement
        del self.current[name]
        for other in self.tables:
            other.constraints = [kept for kept in other.constraints if kept.parent is not table]

    def move(self, old: Name, new: Name, statement: Statement) -> None:
        """Rename a table or move it to another schema. Raises Unclear when the new name is taken."""
        table = self.table(old)
        if new in self.current:
            raise Unclear(f"there is already a table {new} at this point in the range")
        del self.current[old]
        table.name = new
        table.moved = statement
        self.current[new] = table
