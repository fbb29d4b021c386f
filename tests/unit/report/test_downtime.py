"""The time without service, computed from recorded probes."""

import pytest

from runbook.journal.journal import Entry
from runbook.report.downtime import (
    in_words,
    known_whole,
    measured,
    seconds_in_words,
    so_far,
    still_down,
    unmeasured,
    without_service,
)

START = "2025-12-18T03:00:00.000000Z"


def at(seconds: float) -> str:
    return f"2025-12-18T03:{int(seconds) // 60:02d}:{seconds % 60:09.6f}Z"


def batch(began: float, *statuses: int, latencies: tuple[int, ...] = (), every: float = 0.25) -> Entry:
    return {
        "kind": "availability",
        "time": at(began + every * len(statuses)),
        "url": "http://shop.example/orders",
        "interval_ms": round(every * 1000),
        "deadline_ms": 5000,
        "began": at(began),
        "offsets_ms": [round(every * 1000) * number for number in range(len(statuses))],
        "statuses": list(statuses),
        "latencies_ms": list(latencies) or [10] * len(statuses),
    }


def opened(seconds: float = 0.0) -> Entry:
    return {"kind": "opened" if not seconds else "resumed", "time": at(seconds)}


def closed(seconds: float) -> Entry:
    return {"kind": "closed", "time": at(seconds)}


def test_nothing_probed_is_not_nothing_down() -> None:
    """Without probes the time without service is unknown, not 0."""
    assert without_service(measured([opened(), closed(9)])) is None
    assert without_service(measured([opened(), batch(0, 200), closed(9)])) == 0


def test_outage_lasts_from_bad_to_good() -> None:
    """An outage lasts from its first failed probe to the next good one, across batches."""
    (run,) = measured([opened(), batch(0, 200, 503, 503), batch(0.75, 0, 200, 503, 200), closed(9)])
    assert [(outage.seconds, outage.over, outage.statuses) for outage in run.outages] == [
        (0.75, True, (503, 0)),
        (0.25, True, (503,)),
    ]
    assert without_service([run]) == 1.0


def test_outage_that_is_not_over_lasts_to_the_end_of_the_run() -> None:
    """An outage still present at the end of a run lasts at least to that end."""
    (run,) = measured([opened(), batch(1, 200, 503), closed(9)])
    assert [(outage.seconds, outage.over) for outage in run.outages] == [(7.75, False)]


def test_outage_that_was_there_already_began_before() -> None:
    """If the first probe failed, the outage began before the run, and its length is a minimum."""
    (run,) = measured([opened(), batch(1, 503, 200, 503, 200), closed(9)])
    assert [(outage.begun_before, outage.known_whole) for outage in run.outages] == [(True, False), (False, True)]
    assert not run.known_whole


def test_nobody_knows_how_it_went_on_after_a_run_died() -> None:
    """The outage of a killed run lasts to its last recorded probe."""
    observe = {"kind": "check", "time": at(9)}
    (run,) = measured([opened(), batch(1, 200, 503, 503), observe])
    assert [(outage.seconds, outage.over) for outage in run.outages] == [(0.5, False)]


def test_late_probe_stands_where_it_began() -> None:
    """A probe counts from when it began, even if it was recorded after later ones."""
    (run,) = measured([opened(), batch(0.5, 200, 200), batch(0.25, 0), closed(9)])
    assert [outage.seconds for outage in run.outages] == [0.25]


def test_time_between_runs_is_unmeasured() -> None:
    """Time between two runs counts as unmeasured if users were out at the end of the first run."""
    runs = measured([opened(), batch(0, 503), closed(2), opened(60), batch(60, 503, 200), closed(70)])
    assert without_service(runs) == 2.25
    assert unmeasured(runs) == 58
    served = measured([opened(), batch(0, 200), closed(2), opened(60), batch(60, 200), closed(70)])
    assert unmeasured(served) == 0


@pytest.mark.parametrize(("share", "expected"), [(0.5, 6), (0.95, 10), (1, 10)])
def test_latency_is_that_of_good_probes(share: float, expected: int) -> None:
    """Percentiles are computed from answered probes only."""
    latencies = (5000, *range(1, 11))
    (run,) = measured([opened(), batch(0, 0, *[200] * 10, latencies=latencies), closed(9)])
    assert run.percentile(share) == expected


def test_no_good_probe_has_no_latency() -> None:
    """Without an answered probe there is no latency."""
    (run,) = measured([opened(), batch(0, 503), closed(9)])
    assert run.percentile(0.5) is None


def test_probing_that_broke_off_says_why() -> None:
    """An error of the prober is kept with the probes measured before."""
    broken = {"kind": "availability", "time": at(3), "url": "http://shop.example/orders", "error": "OSError: no"}
    (run,) = measured([opened(), batch(0, 200), broken, closed(9)])
    assert run.error == "OSError: no"
    assert run.good == 1


@pytest.mark.parametrize(
    ("entries", "known", "out"),
    [
        pytest.param([opened(), batch(0, 200, 503, 200), closed(9)], True, None, id="served-before-and-in-the-end"),
        pytest.param([opened(), batch(0, 503, 200), closed(9)], False, None, id="not-served-before-it-began"),
        pytest.param(
            [opened(), batch(0, 200, 503), closed(1), opened(2), batch(2, 503, 200), closed(3)],
            True,
            None,
            id="out-between-the-runs-which-is-told-apart",
        ),
        pytest.param([opened(), batch(0, 200, 503), closed(9)], False, 503, id="not-served-in-the-end"),
        pytest.param([opened(), batch(0, 200)], False, None, id="killed"),
        pytest.param([opened(), batch(0, 503)], False, None, id="killed-while-out"),
        pytest.param([opened(), closed(1), opened(2), batch(2, 200), closed(3)], False, None, id="one-run-not-probed"),
        pytest.param(
            [opened(), batch(0, 200), opened(2), batch(2, 200), closed(3)], False, None, id="an-earlier-run-killed"
        ),
        pytest.param(
            [opened(), batch(0, 200), {**batch(1), "error": "no threads"}, closed(3)], False, None, id="broken-off"
        ),
    ],
)
def test_what_was_seen_is_not_taken_for_all(entries: list[Entry], out: int | None, *, known: bool) -> None:
    """The outage is known in full only if every run was probed to its end, with users served before and after."""
    runs = measured(entries)
    assert known_whole(runs) is known
    last = still_down(runs)
    assert (last.status if last else None) == out


def test_outage_is_told_in_the_same_words_everywhere() -> None:
    """The outage has one wording, over all runs of the incident."""
    first = [opened(), batch(0, 200, 503, 503), closed(2)]
    assert in_words(measured(first)) == (
        "the public address answered 1 of 3 probes well; it is DOWN now; users were without service for at least 1.8 s"
    )
    both = [*first, opened(5), batch(5, 503, 200, 200)]
    assert in_words(measured([*both, closed(9)])) == (
        "the public address answered 3 of 6 probes well; users were without service for 2.0 s;"
        " 3.0 s between its runs were not measured"
    )
    assert seconds_in_words(so_far(both)) == "2.0"
    assert seconds_in_words(so_far(first[:2])) == "≥0.5"
    assert seconds_in_words(so_far([opened()])) == "unknown"
    assert in_words(measured([opened(), closed(1)])) == ""


def turned(seconds: float, action: str, state: str) -> Entry:
    return {"kind": "action", "time": at(seconds), "action": action, "state": state}


def test_held_is_told_from_refused() -> None:
    """Only requests answered when held traffic resumed count as waiting. Refused, earlier and later ones do not."""
    hold = [turned(1, "hold_traffic", "begun"), turned(1.1, "hold_traffic", "done")]
    let_on = [turned(2, "resume_traffic", "begun"), turned(2.1, "resume_traffic", "done")]
    probes = batch(0.5, 200, 200, 503, 200, latencies=(10, 1400, 1300, 20), every=0.5)
    runs = measured([opened(), *hold, *let_on, probes, closed(9)])
    assert [probe.latency for probe in runs[0].waited] == [1400]
    assert "; 1 waited while traffic was held, for 1.4 s at most" in in_words(runs)
    refused = measured([opened(), turned(1, "pause_traffic", "done"), *let_on, probes, closed(9)])
    assert refused[0].waited == []
    assert "waited" not in in_words(refused)


def test_hosts_are_measured_apart_and_their_outages_counted_once() -> None:
    """With an address per host, simultaneous outages count once, and each host has its own measurement."""
    first = {**batch(0, 200, 503, 503, 503, 200, 200), "on": "shop-1"}
    second = {**batch(0, 200, 200, 503, 503, 503, 200), "on": "shop-2"}
    begun = {**opened(), "hosts": [{"name": "shop-1"}, {"name": "shop-2"}]}
    runs = measured([begun, first, second, closed(9)])
    assert [(run.host, run.down_seconds) for run in runs] == [("shop-1", 0.75), ("shop-2", 0.75)]
    assert without_service(runs) == 1.0
    assert known_whole(runs)
    assert still_down(runs) is None
    down = {**batch(2, 503), "on": "shop-1"}
    runs = measured([begun, first, second, down, closed(9)])
    assert still_down(runs) is not None, "one host is out, whatever the other one answers"
    assert not known_whole(runs)
