"""A rollback that another run finished is linked with it, and both count as one outage."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook.report.archive import index_page
from runbook.report.archive.archive import read, remember
from runbook.report.archive.linking import linked
from runbook.report.archive.summary import State, Summary
from runbook.report.archive.trends import trends
from tests.support.filed import closed, filed, opened, over


def summary(name: str, began: int, ended: int, **more: Any) -> Summary:
    """Return a rollback that began and ended at these seconds of one minute."""
    at = [f"2026-01-31T10:00:{second:02}.000000Z" for second in (began, ended)]
    return Summary(name, State.WHOLE, group="rollback", changed=True, began=at[0], ended=at[1], **more)


BROKE_OFF = summary("a", 0, 10, without_service=6.0, out_at_last=True, for_sure=False)
FINISHED = summary(
    "b", 20, 40, goes_on_from="a", without_service=9.0, time_to_recover=15.0, out_at_first=True, for_sure=False
)


def test_outage_is_one() -> None:
    """The outage lasts from the first run through the gap to the end in the second. The first run names the second."""
    finished, broke_off = linked([FINISHED, BROKE_OFF])
    assert (finished.without_service, finished.for_sure, finished.time_to_recover) == (25.0, True, 35.0)
    assert (broke_off.without_service, broke_off.finished_by) == (6.0, "b")


@pytest.mark.parametrize(
    ("first", "second", "down", "for_sure"),
    [
        pytest.param({"out_at_last": False}, {}, 15.0, False, id="out-on-one-side"),
        pytest.param({"out_at_last": False}, {"out_at_first": False}, 15.0, True, id="served-between"),
        pytest.param({"without_service": None}, {}, 19.0, False, id="one-not-measured"),
        pytest.param({"without_service": None}, {"without_service": None}, None, False, id="neither-measured"),
        pytest.param({"out_at_first": True}, {}, 25.0, False, id="since-before"),
        pytest.param({}, {"out_at_last": True}, 25.0, False, id="still-out"),
    ],
)
def test_what_is_known_of_the_outage(
    first: dict[str, Any], second: dict[str, Any], down: float | None, *, for_sure: bool
) -> None:
    """Time that was not measured is not counted, and makes the total a minimum."""
    finished, _ = linked([replace(FINISHED, **second), replace(BROKE_OFF, **first)])
    assert (finished.without_service, finished.for_sure) == (down, for_sure)


def test_three_in_a_row_and_circles() -> None:
    """In a chain each run counts all runs before it. A link to itself, in a circle, or to no run is ignored."""
    last = summary("c", 50, 59, goes_on_from="b", without_service=1.0, time_to_recover=5.0)
    assert linked([last, FINISHED, BROKE_OFF])[0].time_to_recover == 55.0
    assert linked([replace(FINISHED, goes_on_from="gone")])[0].time_to_recover == 15.0
    assert linked([replace(FINISHED, goes_on_from="b")])[0].finished_by == ""
    assert len(linked([FINISHED, replace(BROKE_OFF, goes_on_from="b")])) == 2


def test_index_shows_both_and_counts_one(tmp_path: Path) -> None:
    """The index shows both runs and counts one recovery, also when read again from the cache."""
    first = filed(tmp_path, "2026-01-31T10:00:00", [opened(), closed("interrupted", changes=("traffic is paused",))])
    entries = over(after=30)
    under_way = {"incident": first.name, "since": "2026-01-31T10:00:00Z", "target": "v1"}
    entries.insert(1, {"kind": "fact", "name": "open rollback", "value": under_way})
    second = filed(tmp_path, "2026-01-31T10:05:00", entries)
    remember(tmp_path, read(tmp_path, 60))
    archive = read(tmp_path, 60)
    assert [each.time_to_recover for each in archive.summaries] == [330.0, None]
    found = trends(archive.summaries, datetime(2026, 1, 31, tzinfo=UTC))
    assert [each.name for each in found.recoveries] == [second.name]
    assert found.counts == {"rollback": [*[0] * 11, 1]}
    text = index_page.page(archive)
    assert f"continued {first.name}" in text
    assert f"continued by {second.name}" in text
