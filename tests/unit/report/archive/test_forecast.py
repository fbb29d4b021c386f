"""The expected interruption: from earlier incidents with the same strategy, never guessed."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.report.archive import forecast as module
from runbook.report.archive.forecast import Forecasts, forecast
from runbook.report.archive.summary import State, Summary


def summary(day: int, down: float | None = None, paused: float | None = None, **more: Any) -> Summary:
    """Return the summary of a successful image-only rollback of the shop that changed production."""
    told: dict[str, Any] = {
        "group": "rollback", "project": "shop", "host": "prod-1", "way": "image-only", "changed": True, "tone": "good",
        "began": f"2025-12-{day:02}T03:00:00.000000Z", "without_service": down, "gate_closed": paused,
    }  # fmt: skip
    return Summary(f"i{day}", State.WHOLE, **(told | more))


def told(*summaries: Summary, way: str = "image-only") -> str:
    return str(forecast(summaries, way, "shop", "prod-1"))


def test_median_of_the_last_five() -> None:
    """The forecast is the median of the last five incidents, with their number and dates. Older ones do not count."""
    found = [summary(1, 900.0, 900.0), *(summary(day, float(day), 2.0 * day) for day in (6, 2, 5, 3, 4))]
    assert told(*found) == (
        "about 4.0 s without service, traffic paused for about 8.0 s"
        " (median of the last 5 incidents of this kind, 2025-12-02 to 2025-12-06)"
    )


def test_one_that_measured_one_thing() -> None:
    """Unmeasured times are left out. A single incident is not called a median."""
    assert told(summary(2, paused=71.0)) == (
        "traffic paused for about 1 min 11 s (the last incident of this kind, 2025-12-02)"
    )


def test_requests_that_waited_are_told_from_refused_ones() -> None:
    """Held requests are reported as waiting. If one of the incidents paused traffic, the forecast says paused."""
    held = [summary(day, 0.0, 4.0, held=True) for day in (2, 3)]
    assert told(*held).startswith("about 0.0 s without service, requests wait for about 4.0 s (median")
    assert "traffic paused for about" in told(*held, summary(4, 1.0, 4.0))
    assert told(*held, summary(4, 1.0)).count("requests wait ") == 1, "one that paused nothing"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"way": "downgrade"}, id="another-way"),
        pytest.param({"project": "depot"}, id="another-project"),
        pytest.param({"host": "prod-2"}, id="another-host"),
        pytest.param({"changed": False}, id="nothing-changed"),
        pytest.param({"tone": "bad"}, id="failed"),
        pytest.param({"group": "plan", "tone": "plan"}, id="a-plan"),
        pytest.param({"without_service": None, "gate_closed": None}, id="nothing-measured"),
        pytest.param({"for_sure": False, "gate_closed": None}, id="measured-in-part"),
        pytest.param({"state": State.UNDER_WAY}, id="under-way"),
    ],
)
def test_what_tells_nothing(other: dict[str, Any]) -> None:
    """Incidents of another kind, project or host, and failed, unfinished or unmeasured ones, give no forecast."""
    known: dict[str, Any] = {"without_service": 5.0, "gate_closed": 9.0}
    assert forecast([replace(summary(2), **known)], "image-only", "shop", "prod-1") is not None
    assert forecast([replace(summary(2), **(known | other))], "image-only", "shop", "prod-1") is None


def test_unknown_way_is_not_forecast() -> None:
    """Without a strategy there is no forecast."""
    assert forecast([summary(2, 5.0, way="")], "", "shop", "prod-1") is None


def test_rehearsals_where_there_is_nothing_else() -> None:
    """Rehearsals of a throwaway project are used, and named, only if there is no real incident."""
    rehearsals = [summary(day, 2.0, group="rehearsal", project="shop-3f2a") for day in (2, 3)]
    assert told(*rehearsals).endswith("(median of the last 2 rehearsals of this kind, 2025-12-02 to 2025-12-03)")
    assert told(*rehearsals, summary(1, 8.0)).startswith("about 8.0 s without service (the last incident")


def test_read_beside_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default `found` does not wait for records that are still being read. With a limit it waits that long."""
    let_go = threading.Event()

    def read(_reports: Path, _seconds: float) -> Any:
        let_go.wait(20)
        raise OSError("gone")

    monkeypatch.setattr(module, "read", read)
    forecasts = Forecasts(tmp_path, "shop")
    assert forecasts.found("image-only", "prod-1") is None
    forecasts.start()
    began = time.monotonic()
    assert forecasts.found("image-only", "prod-1", 0.2) is None
    assert 0.2 <= time.monotonic() - began < 10
    let_go.set()
    assert forecasts.found("image-only", "prod-1", 20) is None
