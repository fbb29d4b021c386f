"""Image reports for tests: linear histories with usable downgrades, unless specified otherwise."""

from collections.abc import Sequence

from runbook.migrations.image.report import Function, Graph, ImageReport, Migration, Problem, Revision, Shape, Span, Sql


def graph(*revisions: str) -> Graph:
    """Return a history of revisions, oldest first, each based on the one before."""
    below = (None, *revisions)
    items = [
        Revision(name, (down,) if down else (), (), (), "", "") for name, down in zip(revisions, below, strict=False)
    ]
    return Graph({}, (revisions[-1],), (revisions[0],), tuple(reversed(items)))


def step(revision: str, downgrade: Shape = Shape.REAL) -> Migration:
    """Return a revision with a real upgrade and that kind of downgrade."""
    return Migration(revision, Function(Shape.REAL, (), False, False), Function(downgrade, (), False, False))  # noqa: FBT003


def image(
    *revisions: str,
    steps: Sequence[Migration] = (),
    up: str | None = None,
    down: str | None = None,
    problems: Sequence[Problem] = (),
) -> ImageReport:
    """Return an image with a history. `steps`, newest first, and the SQL `up` and `down` belong to a range in it."""
    span = Span(revisions[0], revisions[-1], tuple(steps)) if steps else None
    return ImageReport(
        graph=graph(*revisions),
        span=span,
        upgrade=None if up is None else Sql(up, {}),
        downgrade=None if down is None else Sql(down, {}),
        problems=tuple(problems),
    )
