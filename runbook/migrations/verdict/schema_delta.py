"""The net change that a range of statements makes to a schema: what was before, what is after, and by which statement.

Nothing is known of the schema before the range but what its statements imply: a table or column that a statement
touches and that the range has not made existed before. What the range makes and drops again leaves no trace.
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
    """A finding about a statement; `asks` are the rows that would decide it."""
    what, why = shortened(str(thing), 140), shortened(reason, 400)
    return Finding(verdict, statement.shown, what, why, place=statement.place, asks=asks)


class Default(Enum):
    """What the database puts in a column that an INSERT leaves out."""

    NONE = "nothing"
    SURE = "a value, always"
    UNSURE = "what an expression gives, if it does not fail"
    IDENTITY = "the next number"
    IDENTITY_ALWAYS = "the next number, and refuses any other"
    COMPUTED = "what it computes from the row, and refuses anything else"
    COMPUTED_UNSURE = "what it computes from the row, if that does not fail"


@dataclass(eq=False)
class Column:
    """A column as the range leaves it; what the range does not touch is None."""

    name: str
    origin: str | None  # its name before the range
    type: SqlType | None = None
    rewritten: bool = False  # ALTER TYPE computes its values anew, by more than a cast
    not_null: bool | None = None
    default: Default | None = None
    default_tree: Any = None
    by: dict[str, Statement] = field(default_factory=dict)  # the last statement on each aspect

    def statement(self, *aspects: str) -> Statement:
        """The statement that last changed one of some aspects."""
        return next((self.by[aspect] for aspect in aspects if aspect in self.by), Statement(""))


@dataclass(eq=False)
class Constraint:
    """A constraint, or an index, that the range adds."""

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
    """Something done to a table that only matters if the target's code uses that table."""

    statement: Statement
    reason: str
    verdict: Verdict = REVIEW
    constraint: str = ""  # the name of one from before that is dropped
    rows: bool = False  # the statement changes rows, and its tree says which
    asks: Asks | None = None


@dataclass(eq=False)
class View:
    """What a new view shows: columns by name, or all of `base`; and whether PostgreSQL can write through it."""

    columns: frozenset[str] | None  # None where they are not known
    base: "Table | None" = None  # the one table that it shows as it is, column by column under its own name
    every: bool = False  # `*`: all columns of `base`
    writable: bool = False
    whole: bool = False  # all rows of `base`


@dataclass(frozen=True)
class EnumChange:
    """A label of an enum from before that is added, or renamed (`old`), or the enum itself dropped (both None).

    With `renamed` it is the type that has another name now.
    """

    statement: Statement
    enum: Name
    old: str | None = None
    new: str | None = None
    renamed: bool = False


@dataclass(eq=False)
class Table:
    """A table or view as the range leaves it; `origin` is its name before, None for what the range makes."""

    name: Name
    origin: Name | None
    made: Statement | None = None
    moved: Statement | None = None
    dropped: Statement | None = None
    complete: bool = True  # of a new table: all of its columns are known
    temporary: bool = False
    view: "View | None" = None
    columns: dict[str, Column] = field(default_factory=dict)
    gone: dict[str, Column] = field(default_factory=dict)  # columns from before, by their name from before
    constraints: list[Constraint] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    parent: "Table | None" = None  # whose partition or heir it is, or was
    filled: Statement | None = None  # that put rows in a new table

    @property
    def new(self) -> bool:
        """That the range makes the table."""
        return self.origin is None

    def affect(
        self, statement: Statement, reason: str, verdict: Verdict = REVIEW, constraint: str = "", *, rows: bool = False
    ) -> None:
        """Note an effect on the table."""
        self.effects.append(Effect(statement, reason, verdict, constraint, rows))

    def take(self, name: str, kinds: Collection[str] | None = None) -> Constraint | None:
        """Take a constraint of the range out and return it; None when the range made none of that name, and `kinds`."""
        named = (each for each in self.constraints if each.name == name)
        found = next((each for each in named if kinds is None or each.kind in kinds), None)
        if found is not None:
            self.constraints.remove(found)
        return found

    def column(self, name: str) -> Column:
        """The column that has `name` now. Raises Unclear when the range has taken that name away."""
        if name not in self.columns:
            if name in self.gone or any(column.origin == name for column in self.columns.values()):
                raise Unclear(f"{self.name} has no column {name} any more at this point of the range")
            self.columns[name] = Column(name, None if self.new else name)
        return self.columns[name]

    def add(self, column: Column) -> None:
        """Take a column in under its name. Raises Unclear when another one has it."""
        if column.name in self.columns:
            raise Unclear(f"{self.name} has a column {column.name} already at this point of the range")
        self.columns[column.name] = column

    def drop(self, name: str, statement: Statement) -> None:
        """Drop a column, and with it every constraint of the range that needs it."""
        column = self.column(name)
        del self.columns[name]
        self.constraints = [kept for kept in self.constraints if column not in kept.columns]
        if column.origin is not None:
            column.by["dropped"] = statement
            self.gone[column.origin] = column

    def rename(self, old: str, new: str, statement: Statement) -> None:
        """Give a column another name."""
        column = self.column(old)
        if new in self.columns:
            raise Unclear(f"{self.name} has a column {new} already at this point of the range")
        del self.columns[old]
        column.name = new
        column.by["renamed"] = statement
        self.columns[new] = column


class SchemaDelta:
    """The tables that a range touches, by the name they have now, and the findings that need no net change."""

    def __init__(self, bookkeeping: Name = BOOKKEEPING) -> None:
        self.bookkeeping = bookkeeping  # Alembic's own table
        self.tables: list[Table] = []
        self.current: dict[Name, Table] = {}
        self.findings: list[Finding] = []
        self.path_changed = False
        self.made: dict[tuple[str, Name], Finding] = {}  # types and sequences that the range makes
        self.plain_types: set[Name] = set()  # types that are certainly no domains
        self.enum_changes: list[EnumChange] = []
        self.enums: dict[Name, tuple[str, ...]] = {}  # the labels of those that the range makes
        self.partitions: Mapping[Name, Name] | None = None  # each with the table above it, where a database told
        self.paths_to_come: set[str | None] = set()  # schemas that later sessions of a role or database search first
        # By the id of a statement's tree, which is kept so that the id stays its own.
        self.pure: dict[int, tuple[Any, bool]] = {}

    def find(
        self, statement: Statement, verdict: Verdict, thing: object, reason: str, asks: Asks | None = None
    ) -> None:
        """Note a finding that holds whatever else the range does."""
        self.findings.append(found(statement, verdict, thing, reason, asks))

    def name_of(self, relation: Any) -> Name:
        """The name of a relation in a statement. Raises Unclear when only the database could tell."""
        if relation.catalogname:
            raise Unclear(f"{relation.relname} is named with a database")
        if relation.schemaname in {"pg_catalog", "pg_toast", "information_schema"}:
            raise Unclear("it touches PostgreSQL's own catalogs")
        if relation.schemaname is None and self.path_changed:
            raise Unclear(f"which {relation.relname} is meant depends on a search path that the SQL itself has changed")
        return named(relation.schemaname, relation.relname)

    def table_of(self, relation: Any) -> Table:
        """The table that a relation in a statement names. Raises Unclear as `name_of` and `table` do."""
        return self.table(self.name_of(relation))

    def table(self, name: Name) -> Table:
        """The table that has `name` now. Raises Unclear when the range has taken that name away."""
        if name not in self.current:
            if self.vacated(name):
                raise Unclear(f"there is no table {name} any more at this point of the range")
            self.make(Table(name, name))
        return self.current[name]

    def vacated(self, name: Name) -> bool:
        """That a table from before had `name` and has it no more."""
        return name not in self.current and any(table.origin == name for table in self.tables)

    def make(self, table: Table) -> None:
        """Take in a table. Raises Unclear when another one has its name."""
        if table.name in self.current:
            raise Unclear(f"there is a table {table.name} already at this point of the range")
        self.tables.append(table)
        self.current[table.name] = table

    def drop(self, name: Name, statement: Statement) -> None:
        """Drop a table, and with it the foreign keys of the range that point to it."""
        table = self.table(name)
        table.dropped = statement
        del self.current[name]
        for other in self.tables:
            other.constraints = [kept for kept in other.constraints if kept.parent is not table]

    def move(self, old: Name, new: Name, statement: Statement) -> None:
        """Give a table another name or another schema."""
        table = self.table(old)
        if new in self.current:
            raise Unclear(f"there is a table {new} already at this point of the range")
        del self.current[old]
        table.name = new
        table.moved = statement
        self.current[new] = table
