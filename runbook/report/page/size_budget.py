"""How much of each step's details the page shows, so that it opens at once however long the record is.

The page is one file. What it leaves out is in the journal and in the files beside it, and the page says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from runbook.journal.journal import Entry
from runbook.report.timeline import Step
from runbook.text import visible

#: What the whole page may have, in bytes, with some room for what is not counted one by one.
LARGEST_PAGE = 4_500_000
#: As much of one output as is ever shown, in characters: the last ones, which hold the error.
MOST_OUTPUT = 64 * 1024

# Bytes of HTML around a step, around one thing that was done in it, and for all that is not the timeline.
_STEP, _EVENT, _REST = 330, 330, 300_000
_TIERS = (MOST_OUTPUT, 16 * 1024, 4 * 1024, 1024, 256)


@dataclass(frozen=True)
class Allowance:
    """What is shown of a step: its details or not, and so many characters of each of their outputs."""

    details: bool
    output: int


_NOTHING = Allowance(details=False, output=0)
# For what stopped the incident or changed production, and for all else; the first pair that fits is taken.
_PAIRS = (
    *((Allowance(details=True, output=_TIERS[0]), Allowance(details=True, output=tier)) for tier in _TIERS),
    *((Allowance(details=True, output=tier), Allowance(details=True, output=256)) for tier in _TIERS[1:]),
    (Allowance(details=True, output=1024), _NOTHING),
    (Allowance(details=True, output=256), _NOTHING),
    (_NOTHING, _NOTHING),
)


@dataclass(frozen=True)
class Allowances:
    """The allowance of each step of a record."""

    telling: Allowance
    ordinary: Allowance

    def of(self, step: Step) -> Allowance:
        """What is shown of `step`."""
        return self.telling if _tells_much(step) else self.ordinary

    @property
    def shortened(self) -> bool:
        """Tell whether anything is shown shorter than in a record of usual length."""
        return self.ordinary != _PAIRS[0][1] or self.telling != _PAIRS[0][0]


def allowances(steps: Sequence[Step]) -> Allowances:
    """As much as fits into the largest page; what stopped the incident or changed production comes first."""
    costs = [_Cost(step) for step in steps]
    for telling, ordinary in _PAIRS:
        size = _REST + sum(cost.bytes(telling if cost.telling else ordinary) for cost in costs)
        if size <= LARGEST_PAGE:
            return Allowances(telling, ordinary)
    return Allowances(*_PAIRS[-1])


class _Cost:
    """How many bytes of HTML a step takes, at each allowance."""

    def __init__(self, step: Step) -> None:
        self.telling = _tells_much(step)
        shown = [entry for entry, _ in step.shown]
        self._row = _STEP + _html(step.text) + _html(step.told)
        self._events = sum(_EVENT + _html(_said(entry)) for entry in shown)
        self._outputs = [(len(text), _html(text)) for entry in shown for text in _outputs(entry)]

    def bytes(self, allowance: Allowance) -> int:
        """The bytes at `allowance`; what is escaped is taken to be spread evenly over an output."""
        if not allowance.details:
            return self._row
        most = allowance.output
        outputs = (html if length <= most else html * most // length for length, html in self._outputs)
        return self._row + self._events + sum(outputs)


def _tells_much(step: Step) -> bool:
    return step.stopped or step.changed_production


def _said(entry: Entry) -> str:
    told: list[Any] = [entry.get(name, "") for name in ("command", "url", "sent", "expected", "seen", "summary")]
    return "".join(map(str, [*told, *entry.get("commands", ()), *entry.get("message", {}).values()]))


def _outputs(entry: Entry) -> list[str]:
    streams = [stream["kept"] for stream in (entry.get("stdout"), entry.get("stderr")) if isinstance(stream, Mapping)]
    return [*streams, *([entry["body"]] if "body" in entry else [])]


def _html(text: str) -> int:
    return len(str(escape(visible(text))).encode())
