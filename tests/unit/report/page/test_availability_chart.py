"""The availability strip: probes are drawn at their time with their result."""

import re
from typing import Any

import pytest

from runbook.report.downtime import Downtime, measured
from runbook.report.incident_report import IncidentReport
from runbook.report.page.availability_chart import BAND_TOP, LATENCY_BOTTOM, LATENCY_TOP, WIDTH, Strip, strip, strips
from tests.unit.report.test_downtime import at, batch, closed, opened


def run(*entries: dict[str, Any]) -> Downtime:
    return measured([opened(), *entries])[0]


def stretches(path: str) -> list[tuple[int, int]]:
    """Return the start and width of each rectangle in a path."""
    return [(int(x), int(width)) for x, width in re.findall(r"M(\d+) \d+h(\d+)V", path)]


def drawn(*entries: dict[str, Any]) -> Strip:
    return strip(run(*entries), [])


def test_states_stand_where_they_were() -> None:
    """Good and bad stretches each take their share of the width. None is drawn twice."""
    found = drawn(batch(0, *[200] * 4, *[503] * 8, *[200] * 4), closed(4))
    assert stretches(found.good) == [(0, 250), (750, 250)]
    assert stretches(found.bad) == [(250, 500)]
    assert found.unknown == ""


def test_where_nobody_probed_is_neither() -> None:
    """Time after the last probe is drawn as unknown, neither good nor bad."""
    found = drawn(batch(0, 200, 200), closed(10))
    assert stretches(found.unknown) == [(125, 875)]
    assert stretches(found.good) == [(0, 125)]


def test_single_bad_probe_is_seen_among_many() -> None:
    """One bad probe among 14,000 gets its own column, drawn as bad."""
    statuses = [200] * 14_000
    statuses[7_000] = 500
    probed = batch(0, *statuses) | {"time": at(1)}
    found = drawn(probed, {"kind": "closed", "time": "2025-12-18T03:58:20.000000Z"})
    assert stretches(found.bad) == [(500, 1)]
    assert len(found.good) + len(found.bad) + len(found.latency) < 30_000


def test_bad_reaches_higher_than_good() -> None:
    """Bad stretches are taller than good ones, so that they differ without colours."""
    found = drawn(batch(0, 200, 503), closed(1))
    tops = {name: int(re.match(r"M\d+ (\d+)", path)[1]) for name, path in (("good", found.good), ("bad", found.bad))}  # type: ignore[index]
    assert tops["bad"] == BAND_TOP < tops["good"]


@pytest.mark.parametrize("latency", [0, 1, 9, 10, 999, 60_000])
def test_latency_stays_in_its_place(latency: int) -> None:
    """A latency bar stays on the scale for any latency, and the scale's top line is at least as high as the bar."""
    found = drawn(batch(0, 200, latencies=(latency,)), closed(1))
    heights = [float(height) for height in re.findall(r"M\d+ \d+V([\d.]+)h", found.latency)]
    assert all(LATENCY_TOP <= height <= LATENCY_BOTTOM for height in heights)
    assert min(height for height, _ in found.scale) <= min(heights)


def test_bad_answers_have_no_latency() -> None:
    """Failed probes draw no latency."""
    assert drawn(batch(0, 503, 503), closed(1)).latency == ""


def test_each_run_has_its_strip() -> None:
    """Each run of a resumed incident has its own strip and steps. A run without probes has no strip."""

    def spoken(seconds: float, text: str) -> list[dict[str, Any]]:
        began = {"kind": "step began", "keyword": "When", "text": text, "place": "f:1", "time": at(seconds)}
        scenario = {"kind": "scenario began", "scenario": "s", "feature": "1. Chapter", "time": at(seconds)}
        ended = {"kind": "step ended", "outcome": "passed", "detail": "", "seconds": 1, "time": at(seconds + 1)}
        return [scenario, began, ended]

    entries = [opened(), *spoken(1, "first"), batch(0, 200), closed(4), opened(50), *spoken(51, "second"), closed(54)]
    assert [[mark.label for mark in one.marks] for one in strips(IncidentReport(entries))] == [["03:00:01 When first"]]
    entries[-1:] = [batch(50, 503), closed(54)]
    first, second = strips(IncidentReport(entries))
    assert [mark.x for mark in first.marks] == [250.0]
    assert [(mark.x, mark.label) for mark in second.marks] == [(250.0, "03:00:51 When second")]
    assert [(chapter.x, chapter.width) for chapter in second.chapters] == [(250.0, 750.0)]
    assert [ended_in for _, ended_in in second.outages] == ["When second"]


def test_ticks_are_round_and_few() -> None:
    """The time axis has one to nine ticks, each within the strip."""
    for seconds in (1, 7, 59, 100, 1000):
        end = {"kind": "closed", "time": f"2025-12-18T03:{seconds // 60:02}:{seconds % 60:02}.000000Z"}
        ticks = drawn(batch(0, 200), end).ticks
        assert 1 <= len(ticks) <= 9
        assert all(0 <= x <= WIDTH for x, _ in ticks)


def test_strip_of_ages_comes_to_its_end() -> None:
    """A strip of many years still has at most nine ticks."""
    found = drawn(batch(0, 200), {"kind": "closed", "time": "2099-12-31T00:00:00.000000Z"})
    assert 1 < len(found.ticks) <= 9
