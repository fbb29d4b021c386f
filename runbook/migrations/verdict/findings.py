"""The verdict, and the findings that it rests on."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Verdict(StrEnum):
    """The verdict on the migrations between the target and the database."""

    UNCHANGED = "unchanged"
    ADDITIVE = "additive"
    BREAKING = "breaking"
    REVIEW = "review"


ADDITIVE, BREAKING, REVIEW = Verdict.ADDITIVE, Verdict.BREAKING, Verdict.REVIEW
# From best to worst. One `breaking` decides, even if other findings are uncertain. Otherwise one `review` decides.
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
    """The question that decides a finding: about rows of production, or about the target's statements on a copy.

    The rows are those of `table` with a value in `column`, or those that do not meet `check`, an SQL condition. If
    `values` is not empty, only its members count. With `numbers`, only values that the column's sequence has yet to
    issue count. `none` and `some` are the verdicts without and with such rows.

    `practice`: if the table has many rows (1,000 or more) and none of them counts, that shows what the code writes, and
    the finding is additive. `copy`: the question is not about rows, but whether a copy of the schema accepted each
    statement of the code on `table`, or on every mapped table if `table` is empty. `part`: the table was a partition,
    and without such rows the finding is additive if other partitions have a place for all of its rows.
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
    """One effect of a range of migrations: the verdict, the statement, the object it touches, and the reason.

    `times` counts repetitions of the same finding. `place` is the statement's number, which gives the order. `source`
    is the evidence. `asks` is the question that decides the finding, if a database can.
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
    """A verdict with its findings, in the order of the statements."""

    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def evidence(self) -> tuple[str, ...]:
        """The findings, one sentence each. Those that decided the verdict come first."""
        return tuple(map(str, sorted(self.findings, key=lambda finding: finding.verdict is not self.verdict)))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts, or `unchanged` if there are none.

    >>> worst([Verdict.ADDITIVE, Verdict.REVIEW]).value
    'review'
    """
    return max(verdicts, key=_FROM_BEST.index, default=Verdict.UNCHANGED)


def concluded(findings: Iterable[Finding]) -> Assessment:
    """Return the assessment of some findings: the worst verdict, and each finding once."""
    by_content: dict[tuple[Verdict, str, str], Finding] = {}
    for finding in sorted(findings, key=lambda each: each.place):
        key = (finding.verdict, finding.object, finding.reason)
        first = by_content.get(key)
        by_content[key] = finding if first is None else replace(first, times=first.times + 1)
    return Assessment(worst(finding.verdict for finding in by_content.values()), tuple(by_content.values()))
