"""The geometry of the index's charts, which the template draws 360 units wide."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook.report.archive.summary import Summary
from runbook.report.archive.trends import Trends

WIDTH = 360
_LEFT, _TOP, _BOTTOM = 44, 12, 118
_ROW, _LABELS = 34, 84
_WIDEST = 22.0
#: The possible ends of an axis, in seconds.
_ENDS = (10, 20, 30, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


@dataclass(frozen=True)
class Bar:
    """One bar, or an empty slot for a missing one, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float
    #: The value. None if the bar is missing.
    value: float | None
    rehearsal: bool = False

    @property
    def middle(self) -> float:
        """The middle of the bar's foot."""
        return round(self.left + self.width / 2, 1)


@dataclass(frozen=True)
class Recoveries:
    """The chart of times to recover: one bar per rollback, oldest first."""

    bars: list[Bar]
    #: The y of each grid line, and its value in seconds.
    lines: list[tuple[float, float]]
    left: float = _LEFT
    foot: float = _BOTTOM
    height: float = _BOTTOM + 16


@dataclass(frozen=True)
class Row:
    """One kind of incident in the chart of months."""

    name: str
    foot: float
    bars: list[Bar]


@dataclass(frozen=True)
class Months:
    """The chart of incidents per month: one row per kind, each with its own scale, and the months below."""

    rows: list[Row]
    #: The x of each month's name, and the name.
    names: list[tuple[float, str]]
    left: float
    height: float


def recoveries(shown: Sequence[Summary]) -> Recoveries:
    """Return a bar for each of `shown`. Without a known recovery its height is 0."""
    known = [each.time_to_recover for each in shown if each.time_to_recover is not None]
    most = max(known, default=0.0)
    end = next((end for end in _ENDS if end >= most), most)
    space = (WIDTH - _LEFT - 4) / max(len(shown), 1)
    width = min(space * 0.72, _WIDEST)
    high = _BOTTOM - _TOP
    bars = []
    for number, each in enumerate(shown):
        height = round(high * (each.time_to_recover or 0.0) / end, 1)
        left = _LEFT + number * space + (space - width) / 2
        bars.append(
            Bar(round(left, 1), _BOTTOM - height, round(width, 1), height, each.time_to_recover, _rehearsed(each))
        )
    return Recoveries(bars, [(_BOTTOM - high * part, end * part) for part in (0, 0.5, 1)])


def months(trends: Trends) -> Months:
    """Return a row for each kind that occurs in the months of `trends`."""
    space = (WIDTH - _LABELS) / len(trends.months)
    rows = []
    for number, (kind, counts) in enumerate(trends.counts.items()):
        foot = (number + 1) * _ROW
        bars = []
        for month, count in enumerate(counts):
            height = round((_ROW - 16) * count / max(counts), 1)
            bars.append(
                Bar(round(_LABELS + month * space + 2, 1), foot - height, round(space - 4, 1), height, count or None)
            )
        rows.append(Row(kind, foot, bars))
    names = [(round(_LABELS + (each + 0.5) * space, 1), name[5:]) for each, name in enumerate(trends.months)]
    return Months(rows, names, _LABELS, len(rows) * _ROW + 18)


def _rehearsed(summary: Summary) -> bool:
    return summary.group == "rehearsal"
