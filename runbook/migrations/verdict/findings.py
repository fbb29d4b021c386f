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


# From best to worst. One certain no decides, whatever else is uncertain; after that one uncertainty decides.
_FROM_BEST = (Verdict.UNCHANGED, Verdict.ADDITIVE, Verdict.REVIEW, Verdict.BREAKING)


@dataclass(frozen=True)
class Finding:
    """One thing that a range of migrations does: its verdict, the statement, the object it touches, and why.

    The same thing done again is not told again but counted in `times`. `place` puts findings in order.
    """

    verdict: Verdict
    statement: str
    object: str
    reason: str
    times: int = 1
    place: int = field(default=0, compare=False, repr=False)

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
    """The worst of some verdicts; `unchanged` when there are none."""
    return max(verdicts, key=_FROM_BEST.index, default=Verdict.UNCHANGED)


def concluded(findings: Iterable[Finding]) -> Assessment:
    """The assessment that follows from findings."""
    found: dict[tuple[Verdict, str, str], Finding] = {}
    for finding in sorted(findings, key=lambda each: each.place):
        key = (finding.verdict, finding.object, finding.reason)
        found[key] = replace(found[key], times=found[key].times + 1) if key in found else finding
    return Assessment(worst(finding.verdict for finding in found.values()), tuple(found.values()))
