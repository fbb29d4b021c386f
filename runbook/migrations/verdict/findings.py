"""What a verdict is, and the findings that it rests on."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Verdict(StrEnum):
    """What can be said of the migrations between the target and the database."""

    UNCHANGED = "unchanged"
    ADDITIVE = "additive"
    BREAKING = "breaking"
    REVIEW = "review"


ADDITIVE, BREAKING, REVIEW = Verdict.ADDITIVE, Verdict.BREAKING, Verdict.REVIEW
# From best to worst. One certain no decides, whatever else is uncertain; after that one uncertainty decides.
_FROM_BEST = (Verdict.UNCHANGED, ADDITIVE, REVIEW, BREAKING)


class Source(StrEnum):
    """The evidence that a finding rests on."""

    SQL = "the migrations' SQL"
    COPY = "what the upgrade ran on a copy of the schema"
    MODELS = "the target's statements on a copy of the schema"
    ROWS = "rows of production"
    NOTHING = "nothing that could be read"


@dataclass(frozen=True)
class Asks:
    """What would decide a finding: rows of production, or the target's statements on a copy of the schema.

    The rows are those of `table` with a value in `column` (one of `values`, if there are any; one that the column's
    sequence is yet to give, with `numbers`), or those that do not meet `check`, an SQL condition. `none` and `some` are
    the verdicts without and with such rows. With `practice` many rows, and none among them, show what the code writes.
    With `copy` it is no rows: whether each statement of the code's on `table` was taken; on any, where that is empty.
    With `part` the table was a partition, and without rows it is additive where others have a place for all of its.
    """

    table: str = ""
    column: str = ""
    schema: str | None = None
    values: tuple[str, ...] = ()
    numbers: bool = False
    check: str = ""
    none: Verdict = Verdict.ADDITIVE
    some: Verdict = Verdict.REVIEW
    practice: bool = False
    copy: bool = False
    part: bool = False


@dataclass(frozen=True)
class Finding:
    """One thing that a range of migrations does: its verdict, the statement, the object it touches, and why.

    Repetitions of the same thing are counted in `times`. `place` is the statement's number, for their order. `source`
    is the evidence, and `asks` what would decide it, where a database can.
    """

    verdict: Verdict
    statement: str
    object: str
    reason: str
    times: int = 1
    place: int = field(default=0, compare=False, repr=False)
    source: Source = Source.SQL
    asks: Asks | None = None

    def __str__(self) -> str:
        return f"{self.object}: {self.reason}" if self.object else self.reason


@dataclass(frozen=True)
class Assessment:
    """A verdict with the findings it rests on, in the order of the statements."""

    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def evidence(self) -> tuple[str, ...]:
        """The findings, one sentence each; those that made the verdict come first."""
        return tuple(map(str, sorted(self.findings, key=lambda finding: finding.verdict is not self.verdict)))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; `unchanged` when there are none.

    >>> worst([Verdict.ADDITIVE, Verdict.REVIEW]).value
    'review'
    """
    return max(verdicts, key=_FROM_BEST.index, default=Verdict.UNCHANGED)


def concluded(findings: Iterable[Finding]) -> Assessment:
    """The assessment that follows from findings."""
    by_content: dict[tuple[Verdict, str, str], Finding] = {}
    for finding in sorted(findings, key=lambda each: each.place):
        key = (finding.verdict, finding.object, finding.reason)
        first = by_content.get(key)
        by_content[key] = finding if first is None else replace(first, times=first.times + 1)
    return Assessment(worst(finding.verdict for finding in by_content.values()), tuple(by_content.values()))
