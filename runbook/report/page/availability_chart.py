"""The availability strip of one run: its probes, steps and outages as shapes in a drawing 1000 units wide."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from runbook.clock import moment
from runbook.report.downtime import Downtime, Outage
from runbook.report.incident_report import IncidentReport
from runbook.report.timeline import Scenario

WIDTH = 1000
#: Latencies are drawn between these heights. The band of good and bad answers is below them.
LATENCY_TOP, LATENCY_BOTTOM = 4, 64
#: Bad answers are higher than good ones, and hatched, so that they differ without color.
BAND_TOP, BAND_GOOD_TOP, BAND_BOTTOM = 74, 86, 104

_GOOD, _BAD, _UNKNOWN = "good", "bad", "unknown"
#: After this many intervals without a probe, the state is unknown.
_BLIND = 4
_LEAST_LATENCY, _DECADE = 1, 10  # milliseconds
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)  # seconds
_MOST_TICKS = 8
_MOST_MARKS = 300


@dataclass(frozen=True)
class Mark:
    """A moment on the strip: its place (0 to 1000), its kind (`step`, `change` or `stopped`), and its label."""

    x: float
    kind: str
    label: str


@dataclass(frozen=True)
class Segment:
    """A chapter's part of the strip, from 0 to 1000."""

    x: float
    width: float
    label: str


@dataclass(frozen=True)
class Strip:
    """The drawing of one run. `good`, `bad`, `unknown` and `latency` are SVG path data."""

    measured: Downtime
    good: str
    bad: str
    unknown: str
    latency: str
    #: The height and the label of each line of the latency scale.
    scale: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]
    chapters: tuple[Segment, ...]
    #: Each outage, and the last step that began before it ended.
    outages: tuple[tuple[Outage, str], ...]

    @property
    def probes(self) -> int:
        """The number of probes in it."""
        return len(self.measured.probes)


def strips(story: IncidentReport) -> list[Strip]:
    """Return the strip of each run with probes, with its scenarios."""
    return [
        strip(run, [scenario for scenario in story.scenarios if scenario.run == number])
        for number, run in enumerate(story.measured)
        if run.probes
    ]


def strip(run: Downtime, scenarios: Sequence[Scenario]) -> Strip:
    """Return the strip of a run, which has probes."""
    states, latencies = _columns(run)
    return Strip(
        measured=run,
        good=_band(states, _GOOD, BAND_GOOD_TOP),
        bad=_band(states, _BAD, BAND_TOP),
        unknown=_band(states, _UNKNOWN, BAND_BOTTOM - 4),
        latency=_latency(latencies, run),
        scale=tuple((_height(ms, run), _milliseconds(ms)) for ms in _scale(run)),
        ticks=tuple(_ticks(run)),
        marks=tuple(_marks(run, scenarios)),
        chapters=tuple(_chapters(run, scenarios)),
        outages=tuple(_outages(run, scenarios)),
    )


def _x(run: Downtime, at: datetime) -> float:
    whole = (run.ended - run.began).total_seconds() or 1.0
    return round(max(0.0, min(1.0, (at - run.began).total_seconds() / whole)) * WIDTH, 1)


def _columns(run: Downtime) -> tuple[list[str], list[int | None]]:
    """Return the worst state and the longest good latency (milliseconds) of each column."""
    states: list[str] = [_UNKNOWN] * WIDTH
    latencies: list[int | None] = [None] * WIDTH
    blind = timedelta(milliseconds=_BLIND * run.interval)
    after = [*(probe.at for probe in run.probes[1:]), run.ended]
    for probe, following in zip(run.probes, after, strict=True):
        first = min(int(_x(run, probe.at)), WIDTH - 1)
        last = max(first + 1, int(_x(run, min(following, probe.at + blind))))
        for column in range(first, min(last, WIDTH)):
            if not probe.good:
                states[column] = _BAD
            elif states[column] != _BAD:
                states[column] = _GOOD
        if probe.good:
            latencies[first] = max(probe.latency, latencies[first] or 0)
    return states, latencies


def _band(states: Sequence[str], wanted: str, top: int) -> str:
    """Return rectangles from `top` to the band's bottom, over all columns with the state `wanted`."""
    path, column = [], 0
    for state, group in groupby(states):
        width = len(list(group))
        if state == wanted:
            path.append(f"M{column} {top}h{width}V{BAND_BOTTOM}h-{width}z")
        column += width
    return "".join(path)


def _latency(latencies: Sequence[int | None], run: Downtime) -> str:
    """Return a bar for each column with a good answer."""
    width = max(1.0, min(4.0, WIDTH / len(run.probes) / 2))
    bars = (
        f"M{column} {LATENCY_BOTTOM}V{_height(latency, run):g}h{width:g}V{LATENCY_BOTTOM}z"
        for column, latency in enumerate(latencies)
        if latency is not None
    )
    return "".join(bars)


def _scale(run: Downtime) -> list[int]:
    """Return the latencies of the scale's lines in milliseconds: powers of ten."""
    longest = max(run.latencies[-1] if run.latencies else 0, _DECADE)
    return [_DECADE**power for power in range(1, math.ceil(math.log10(longest)) + 1)]


def _height(latency: float, run: Downtime) -> float:
    """Return the height of a latency. The scale is logarithmic: otherwise one slow answer would flatten all others."""
    decades = math.log10(_scale(run)[-1])
    share = math.log10(max(latency, _LEAST_LATENCY)) / decades
    return round(LATENCY_BOTTOM - min(share, 1.0) * (LATENCY_BOTTOM - LATENCY_TOP), 1)


def _milliseconds(latency: int) -> str:
    return f"{latency // 1000} s" if latency >= 1000 else f"{latency} ms"


def _ticks(run: Downtime) -> Iterator[tuple[float, str]]:
    whole = (run.ended - run.began).total_seconds()
    step = next((step for step in _STEPS if whole / step <= _MOST_TICKS), None)
    # A forged journal can span centuries. The number of ticks stays small.
    step = step or _STEPS[-1] * math.ceil(whole / _MOST_TICKS / _STEPS[-1])
    at = datetime.fromtimestamp(math.ceil(run.began.timestamp() / step) * step, tz=run.began.tzinfo)
    while at <= run.ended:
        yield _x(run, at), f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}"
        at += timedelta(seconds=step)


def _marks(run: Downtime, scenarios: Sequence[Scenario]) -> Iterator[Mark]:
    steps = [step for scenario in scenarios for step in scenario.steps]
    for step in steps:
        kind = "stopped" if step.stopped else "change" if step.changed_production else "step"
        if kind != "step" or len(steps) <= _MOST_MARKS:
            label = f"{step.began[11:19]} {step.keyword} {step.text}"
            yield Mark(_x(run, moment(step.began)), kind, label)


def _outages(run: Downtime, scenarios: Sequence[Scenario]) -> Iterator[tuple[Outage, str]]:
    """Yield each outage, and the last step that began before it ended."""
    steps = [step for scenario in scenarios for step in scenario.steps]
    begun = [moment(step.began) for step in steps]
    for outage in run.outages:
        last = bisect_right(begun, outage.ended) - 1
        yield outage, f"{steps[last].keyword} {steps[last].text}" if last >= 0 else "before the first step"


def _chapters(run: Downtime, scenarios: Sequence[Scenario]) -> Iterator[Segment]:
    told = [(scenario.chapter, scenario.steps[0].began) for scenario in scenarios if scenario.steps]
    begun = [next(group) for _, group in groupby(told, key=lambda each: each[0])]
    places = [*(_x(run, moment(began)) for _, began in begun), float(WIDTH)]
    for (chapter, _), (x, end) in zip(begun, pairwise(places), strict=True):
        yield Segment(x, round(max(end - x, 0.0), 1), chapter)
