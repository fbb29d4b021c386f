"""The probe's report of an image's migrations and models, validated.

An image is not trusted, and its output is read on the operator's machine. So every field has a type and a limit, and a
report with one invalid field is rejected as a whole.
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

# A revision ID that is safe on a command line.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.-]*$", max_length=255)]
Names = Annotated[tuple[Name, ...], MaxLen(1000)]
Text = Annotated[str, MaxLen(2 * 1024 * 1024)]


class Shape(StrEnum):
    """The shape of an `upgrade()` or `downgrade()`, judged by its source."""

    MISSING = "missing"
    EMPTY = "empty"
    RAISES = "raises"
    CONDITIONAL = "conditional"  # does nothing, or raises, in some cases
    REAL = "real"
    UNKNOWN = "unknown"  # no source to read


@dataclass(frozen=True)
class Function:
    """One function of a migration: its shape, the Alembic operations that it calls, and what it depends on.

    `differs_offline`: it checks for Alembic's offline mode, so it may do more than its SQL shows. `counts_rows`: it
    reads how many rows a statement changed. `sql` is every statement that it can run besides those operations, for any
    answer of the database, or None if the source does not tell.
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
        """Whether `downgrade()` is certain to do something, or there is certainly nothing to undo."""
        nothing = self.upgrade.shape is Shape.EMPTY and self.downgrade.shape is Shape.EMPTY
        return nothing or self.downgrade.shape is Shape.REAL


@dataclass(frozen=True)
class Span:
    """The migrations between two revisions, newest first: `upper` and its ancestors, but not `lower` and its."""

    __pydantic_config__ = _STRICT

    lower: Name
    upper: Name
    steps: Annotated[tuple[Migration, ...], MaxLen(10_000)]


@dataclass(frozen=True)
class Sql:
    """The SQL of a range in one direction, and of each of its revisions.

    `sql` is as Alembic prints it, including the statements on its version table, or None if Alembic could not write
    all of it. `bodies` lacks the revisions that failed.
    """

    __pydantic_config__ = _STRICT

    sql: Text | None
    bodies: Annotated[dict[Name, Text], MaxLen(10_000)]


@dataclass(frozen=True)
class Revision:
    """One revision as declared in its file. `down` and `depends_on` are the revisions that must precede it."""

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
        """Reject an inconsistent graph."""
        defined = {item.revision for item in self.revisions}
        named = {*self.heads, *self.bases}.union(*((*item.down, *item.depends_on) for item in self.revisions))
        if len(defined) != len(self.revisions) or not named <= defined:
            raise ValueError("a revision is defined twice, or referenced but not defined")


@dataclass(frozen=True)
class Problem:
    """A part that could not be read, and why. `what` is graph, models, span, or (for SQL) upgrade or downgrade."""

    __pydantic_config__ = _STRICT

    what: Word
    why: Word


@dataclass(frozen=True)
class ImageReport:
    """Everything that an image reports. A part that could not be read is None, and `problems` says why.

    Every member that needs the revision graph raises Inconclusive when there is no graph.
    """

    __pydantic_config__ = _STRICT

    graph: Graph | None = None
    models: Models | None = None
    span: Span | None = None
    upgrade: Sql | None = None
    downgrade: Sql | None = None
    problems: Annotated[tuple[Problem, ...], MaxLen(10_000)] = ()

    def read_graph(self) -> Graph:
        """Return the revision graph. Raises Inconclusive, with the reason, when there is none."""
        if self.graph is None:
            raise Inconclusive(
                f"the migrations in the image cannot be read: {self.why('graph')}",
                "check migrations.config, migrations.section and migrations.python in the settings",
            )
        return self.graph

    def why(self, what: str) -> str:
        """Return why `what` (graph, models, span, upgrade, downgrade) could not be read, or only in part."""
        return "; ".join(problem.why for problem in self.problems if problem.what == what) or "the image gave no reason"

    @property
    def heads(self) -> tuple[str, ...]:
        """The head revisions."""
        return self.read_graph().heads

    @property
    def builds_upon(self) -> Mapping[str, tuple[str, ...]]:
        """For each revision, the revisions that must precede it."""
        return {item.revision: (*item.down, *item.depends_on) for item in self.read_graph().revisions}

    @property
    def steps(self) -> tuple[Migration, ...]:
        """The migrations of the requested range, newest first. Raises Inconclusive when the range could not be read."""
        if self.span is None:
            raise Inconclusive(
                f"the range of migrations cannot be read: {self.why('span')}",
                "ship a forward-fix, or check the image",
            )
        return self.span.steps

    def knows(self, revision: str) -> bool:
        """Return whether the image has `revision`. Its Alembic fails on a database at a revision that it lacks."""
        return revision in self.builds_upon

    def continues(self, *database: str) -> bool:
        """Return whether `alembic upgrade head` in this image can start from the database's revisions.

        It can if the image has one head, and each of the revisions is that head or an ancestor of it.
        """
        heads, upon = self.read_graph().heads, self.builds_upon
        return len(heads) == 1 and bool(database) and set(database) <= with_ancestors(heads[0], upon)


_REPORT = TypeAdapter(ImageReport)


def read_report(text: bytes | str) -> ImageReport:
    """Read a report in JSON, from an image or from the journal.

    Raises ValueError, with a one-line message, when the report is invalid.

    >>> read_report('{"problems": [{"what": "graph", "why": "no Alembic"}]}').why("graph")
    'no Alembic'
    """
    try:
        return _REPORT.validate_json(text)
    except ValidationError as error:
        raise ValueError(first_error(error)) from None


def to_json(report: ImageReport) -> Any:
    """Return a report in the JSON form of the journal. `read_report` reads it."""
    return _REPORT.dump_python(report, mode="json")
