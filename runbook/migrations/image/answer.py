"""What an image may say of its migrations and its models, and nothing else: the answer of the probe, validated.

An image is built by others, and what it prints is taken apart on the operator's machine: every field has a type and
a limit, and what does not fit is refused as a whole.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import MaxLen
from pydantic import ConfigDict, StringConstraints, TypeAdapter

_STRICT = ConfigDict(strict=True, extra="forbid")

# Of a revision; safe on a command line.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.-]*$", max_length=255)]
Word = Annotated[str, MaxLen(1000)]
Text = Annotated[str, MaxLen(2 * 1024 * 1024)]
Names = Annotated[tuple[Name, ...], MaxLen(1000)]
Words = Annotated[tuple[Word, ...], MaxLen(1000)]


class Shape(StrEnum):
    """What kind of function an `upgrade()` or `downgrade()` is, by its source."""

    MISSING = "missing"
    EMPTY = "empty"
    RAISES = "raises"
    CONDITIONAL = "conditional"  # does nothing, or raises, in some case
    REAL = "real"
    UNKNOWN = "unknown"  # no source to read


@dataclass(frozen=True)
class Function:
    """One function of a revision: its shape, the operations of Alembic that it calls, and what it leans on.

    `differs_offline` means that it asks whether Alembic only writes SQL; its SQL may then be less than it does.
    """

    __pydantic_config__ = _STRICT

    shape: Shape
    operations: Words
    reads_database: bool
    differs_offline: bool


@dataclass(frozen=True)
class Step:
    """One revision of a range."""

    __pydantic_config__ = _STRICT

    revision: Name
    upgrade: Function
    downgrade: Function

    @property
    def undoes(self) -> bool:
        """Whether its `downgrade()` surely does something, or there is surely nothing to undo."""
        nothing = self.upgrade.shape is Shape.EMPTY and self.downgrade.shape is Shape.EMPTY
        return nothing or self.downgrade.shape is Shape.REAL


@dataclass(frozen=True)
class Span:
    """What lies between two revisions: everything that `upper` builds upon and `lower` does not, newest first."""

    __pydantic_config__ = _STRICT

    lower: Name
    upper: Name
    steps: Annotated[tuple[Step, ...], MaxLen(10_000)]


@dataclass(frozen=True)
class Sql:
    """The SQL of a range one way: as Alembic prints it (None when it could not), and of each revision by itself.

    `sql` has the statements on the table `alembic_version` too; `bodies` lacks the revisions that failed.
    """

    __pydantic_config__ = _STRICT

    sql: Text | None
    bodies: Annotated[dict[Name, Text], MaxLen(10_000)]


@dataclass(frozen=True)
class Revision:
    """One revision as its file says; `down` and `depends_on` are what it builds upon."""

    __pydantic_config__ = _STRICT

    revision: Name
    down: Names
    depends_on: Names
    labels: Words
    title: Word
    file: Word


@dataclass(frozen=True)
class Graph:
    """All revisions of an image, newest first."""

    __pydantic_config__ = _STRICT

    versions: Annotated[dict[Word, Word], MaxLen(10)]
    heads: Names
    bases: Names
    revisions: Annotated[tuple[Revision, ...], MaxLen(50_000)]

    def __post_init__(self) -> None:
        """Refuse a graph whose parts contradict each other."""
        known = {item.revision for item in self.revisions}
        named = {*self.heads, *self.bases}.union(*((*item.down, *item.depends_on) for item in self.revisions))
        if len(known) != len(self.revisions) or not named <= known:
            raise ValueError("a revision stands there twice, or is named and not there")


@dataclass(frozen=True)
class Column:
    """A column that the code maps; `type` is in PostgreSQL's words, or `unknown`."""

    __pydantic_config__ = _STRICT

    name: Word
    type: Word
    nullable: bool
    primary_key: bool
    client_default: bool
    server_default: bool


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that the code declares; it `acts` if rows are deleted or emptied with those that they point to."""

    __pydantic_config__ = _STRICT

    name: Word | None
    columns: Words
    acts: bool


@dataclass(frozen=True)
class Table:
    """A table that the code maps."""

    __pydantic_config__ = _STRICT

    schema: Word | None
    name: Word
    columns: Annotated[tuple[Column, ...], MaxLen(2000)]
    foreign_keys: Annotated[tuple[ForeignKey, ...], MaxLen(2000)] | None = None
    partitioned: bool = False


@dataclass(frozen=True)
class Models:
    """All tables that the code maps, in the format of `assess --models`."""

    __pydantic_config__ = _STRICT

    tables: Annotated[tuple[Table, ...], MaxLen(20_000)]


@dataclass(frozen=True)
class Problem:
    """What could not be read, and why. `what` is graph, models, span, upgrade or downgrade (the last two: the SQL)."""

    __pydantic_config__ = _STRICT

    what: Word
    why: Word


@dataclass(frozen=True)
class Answer:
    """Everything that an image told; what is None it could not, and `problems` says why."""

    __pydantic_config__ = _STRICT

    graph: Graph | None = None
    models: Models | None = None
    span: Span | None = None
    upgrade: Sql | None = None
    downgrade: Sql | None = None
    problems: Annotated[tuple[Problem, ...], MaxLen(10_000)] = ()


def to_json(part: Answer | Models) -> Any:
    """An answer, or its models, as JSON keeps it: for the journal, say."""
    return TypeAdapter(type(part)).dump_python(part, mode="json")
