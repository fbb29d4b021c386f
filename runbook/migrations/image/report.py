"""What an image reports of its migrations and its models: the answer of the probe, validated.

An image is built by others, and what it prints is read on the operator's machine: every field has a type and a limit,
and a report that does not fit is refused as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import MaxLen
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from runbook.errors import Inconclusive
from runbook.migrations.image.inside.graph import with_ancestors
from runbook.migrations.image.mapped_models import Models, Word, Words, first_error

_STRICT = ConfigDict(strict=True, extra="forbid")

# A revision, safe on a command line.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.-]*$", max_length=255)]
Names = Annotated[tuple[Name, ...], MaxLen(1000)]
Text = Annotated[str, MaxLen(2 * 1024 * 1024)]


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
    """One function of a migration: its shape, the operations of Alembic that it calls, and what it depends on.

    `differs_offline` means that it asks whether Alembic only writes SQL; its SQL may then be less than it does. With
    `counts_rows` it looks at how many rows a statement changed. `sql` is all that it can run beside those operations,
    whatever the database answers; None where its source does not tell.
    """

    __pydantic_config__ = _STRICT

    shape: Shape
    operations: Words
    reads_database: bool
    differs_offline: bool
    counts_rows: bool = False
    sql: Annotated[tuple[Text, ...], MaxLen(50_000)] | None = None


@dataclass(frozen=True)
class Migration:
    """One revision of a range, with its two functions."""

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
    """The migrations between two revisions: all that `upper` builds upon and `lower` does not, newest first."""

    __pydantic_config__ = _STRICT

    lower: Name
    upper: Name
    steps: Annotated[tuple[Migration, ...], MaxLen(10_000)]


@dataclass(frozen=True)
class Sql:
    """The SQL of a range in one direction, and that of each of its revisions.

    `sql` is as Alembic prints it, with the statements on its own table; None when it could not be written. `bodies`
    lacks the revisions that failed.
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
        defined = {item.revision for item in self.revisions}
        named = {*self.heads, *self.bases}.union(*((*item.down, *item.depends_on) for item in self.revisions))
        if len(defined) != len(self.revisions) or not named <= defined:
            raise ValueError("a revision is defined twice, or named and not defined")


@dataclass(frozen=True)
class Problem:
    """What could not be read, and why. `what` is graph, models, span, upgrade or downgrade (the last two: the SQL)."""

    __pydantic_config__ = _STRICT

    what: Word
    why: Word


@dataclass(frozen=True)
class ImageReport:
    """Everything that an image reports. What is None could not be read, and `problems` says why.

    Whatever needs the revision graph raises Inconclusive when there is none.
    """

    __pydantic_config__ = _STRICT

    graph: Graph | None = None
    models: Models | None = None
    span: Span | None = None
    upgrade: Sql | None = None
    downgrade: Sql | None = None
    problems: Annotated[tuple[Problem, ...], MaxLen(10_000)] = ()

    def read_graph(self) -> Graph:
        """The revision graph. Raises Inconclusive with the reason why there is none."""
        if self.graph is None:
            raise Inconclusive(
                f"the migrations in the image cannot be read: {self.why('graph')}",
                "check migrations.config, migrations.section and migrations.python in the settings",
            )
        return self.graph

    def why(self, what: str) -> str:
        """The reasons why `what` (graph, models, span, upgrade, downgrade) could not be read, or not wholly."""
        return "; ".join(problem.why for problem in self.problems if problem.what == what) or "the image did not say"

    @property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other builds upon."""
        return self.read_graph().heads

    @property
    def builds_upon(self) -> Mapping[str, tuple[str, ...]]:
        """Each revision with those that must be there before it."""
        return {item.revision: (*item.down, *item.depends_on) for item in self.read_graph().revisions}

    @property
    def steps(self) -> tuple[Migration, ...]:
        """The migrations of the range that was asked for, newest first. Raises Inconclusive without a range."""
        if self.span is None:
            raise Inconclusive(
                f"the range of migrations cannot be read: {self.why('span')}",
                "ship a forward-fix, or look at the image",
            )
        return self.span.steps

    def knows(self, revision: str) -> bool:
        """Tell whether the image has that revision; Alembic in it fails on a database at any other."""
        return revision in self.builds_upon

    def continues(self, *database: str) -> bool:
        """Tell whether `alembic upgrade head` in this image starts from the database's revisions.

        It does when the image has one head, and all of them lead to it or are it.
        """
        heads, upon = self.read_graph().heads, self.builds_upon
        return len(heads) == 1 and bool(database) and set(database) <= with_ancestors(heads[0], upon)


_REPORT = TypeAdapter(ImageReport)


def read_report(text: bytes | str) -> ImageReport:
    """Read a report in JSON, from an image or from the journal.

    Raises ValueError, in one line, when it is none.

    >>> read_report('{"problems": [{"what": "graph", "why": "no Alembic"}]}').why("graph")
    'no Alembic'
    """
    try:
        return _REPORT.validate_json(text)
    except ValidationError as error:
        raise ValueError(first_error(error)) from None


def to_json(report: ImageReport) -> Any:
    """A report as the journal keeps it: `read_report` reads it back."""
    return _REPORT.dump_python(report, mode="json")
