"""The prober of the public address: every probe is counted and recorded, and no failure counts as good."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook.incident.availability_prober import AvailabilityProber
from runbook.journal.availability import NO_ANSWER, Availability, Probe
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.secrets.redactor import Redactor
from tests.support.journal_schema import problems
from tests.support.parts import Asked, Reply, serving

INTERVAL = 0.02
DEADLINE = 0.3


@contextmanager
def probing(
    folder: Path, url: str, interval: float = INTERVAL, deadline: float = DEADLINE
) -> Iterator[AvailabilityProber]:
    """Yield a running prober with a journal in `folder`, and stop both at the end."""
    journal = Journal(folder / "journal.jsonl", Redactor())
    prober = AvailabilityProber(url, interval, deadline, journal)
    prober.start()
    yield prober
    prober.stop()
    journal.write("closed")
    journal.close()


def batches(folder: Path) -> list[dict[str, Any]]:
    found = verify(folder / "journal.jsonl")
    assert found.whole, found.problem
    # The test writes its own `closed` entry, without the usual members.
    assert [told for told in problems(folder / "journal.jsonl") if ": closed: " not in told] == []
    return [entry for entry in found.entries if entry["kind"] == "availability"]


def statuses(folder: Path) -> list[int]:
    return [status for batch in batches(folder) for status in batch["statuses"]]


def until(prober: AvailabilityProber, so: Callable[[Availability], bool]) -> Availability:
    """Wait at most 10 seconds until the results fulfil `so`, and return them."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        seen = prober.summary
        assert seen is not None
        if so(seen):
            return seen
        time.sleep(0.005)
    raise AssertionError(f"never so; last {prober.summary and prober.summary.last}")


def test_address_that_answers_is_up(tmp_path: Path) -> None:
    """Answers below 400 are good, also redirects, which are not followed. All are recorded."""
    answers = iter([200, 204, 302] * 1000)

    def answer(_asked: Asked) -> Reply:
        return Reply(next(answers), headers={"Location": "/elsewhere"})

    with serving(answer) as server:
        with probing(tmp_path, f"{server.url}/orders") as prober:
            seen = until(prober, lambda seen: seen.probes >= 6)
        asked = list(server.asked)
    assert (seen.good, seen.down_since, seen.down(time.monotonic()), seen.error) == (seen.probes, None, 0.0, None)
    assert {request.path for request in asked} == {"/orders"}
    assert set(statuses(tmp_path)) == {200, 204, 302}
    assert len(statuses(tmp_path)) >= seen.probes


def test_outage_is_measured(tmp_path: Path) -> None:
    """An outage lasts from the first bad probe to the next good one; its first probe is recorded at once."""
    status = [200]
    with serving(lambda _asked: Reply(status[0])) as server, probing(tmp_path, server.url) as prober:
        until(prober, lambda seen: seen.good >= 3)
        status[0] = 503
        down = until(prober, lambda seen: seen.down_since is not None)
        assert down.last is not None
        assert down.last.status == 503
        assert 503 in [s for entry in prober._journal.entries for s in entry["statuses"]]
        time.sleep(0.3)
        status[0] = 200
        up = until(prober, lambda seen: seen.down_since is None)
    now = time.monotonic()
    assert 0.25 <= up.down(now) <= 5
    assert 0 < up.good < up.probes


def test_refused_connection_is_down(tmp_path: Path) -> None:
    """A refused connection counts as down, with status 0, and probing continues."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with probing(tmp_path, f"http://127.0.0.1:{port}/") as prober:
        seen = until(prober, lambda seen: seen.probes >= 5)
    assert seen.good == 0
    assert seen.down_since is not None
    assert set(statuses(tmp_path)) == {NO_ANSWER}


def test_hanging_address_is_down_and_counted_as_often(tmp_path: Path) -> None:
    """A server that never answers counts as down once per interval, not once per deadline."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as silent,
        probing(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/") as prober,
    ):
        began = time.monotonic()
        waiting = until(prober, lambda seen: seen.waiting_since is not None)
        assert waiting.probes == 0
        seen = until(prober, lambda seen: seen.probes >= 15)
        took = time.monotonic() - began
    assert seen.good == 0
    assert took < 15 * DEADLINE / 2, "one after the other they would have taken 15 deadlines"
    assert set(statuses(tmp_path)) == {NO_ANSWER}
    assert {batch["deadline_ms"] for batch in batches(tmp_path)} == {round(DEADLINE * 1000)}


def test_late_answer_is_down(tmp_path: Path) -> None:
    """An answer after the deadline counts as no answer, whatever its status."""

    def answer(_asked: Asked) -> Reply:
        time.sleep(1.5 * DEADLINE)
        return Reply(200)

    with serving(answer) as server, probing(tmp_path, server.url) as prober:
        until(prober, lambda seen: seen.probes >= 30)
    assert set(statuses(tmp_path)) == {NO_ANSWER}


def test_batches_are_compact_and_in_order(tmp_path: Path) -> None:
    """Each entry has an offset, a status and a latency per probe, sorted by the start of the probes."""
    with serving(lambda _asked: Reply(200)) as server, probing(tmp_path, server.url) as prober:
        until(prober, lambda seen: seen.probes >= 20)
    for batch in batches(tmp_path):
        assert batch["offsets_ms"][0] == 0
        assert batch["offsets_ms"] == sorted(batch["offsets_ms"])
        assert len(batch["offsets_ms"]) == len(batch["statuses"]) == len(batch["latencies_ms"])
        assert batch["began"] <= batch["time"]
    assert len(batches(tmp_path)) <= 3, "a good address is written down at the first answer and at the end"


def test_interval_of_nought_asks_never(tmp_path: Path) -> None:
    """With an interval of 0 there is no request, no summary and no entry."""
    with serving(lambda _asked: Reply(200)) as server:
        with probing(tmp_path, server.url, interval=0) as prober:
            assert prober.summary is None
            time.sleep(0.1)
        assert server.asked == []
    assert batches(tmp_path) == []


def test_error_in_the_probing_is_told(tmp_path: Path) -> None:
    """A prober that stops with an error records and reports it, and does not raise."""
    with probing(tmp_path, "http://127.0.0.1/\x00") as prober:
        seen = until(prober, lambda seen: seen.error is not None)
    assert "InvalidURL" in str(seen.error)
    assert [batch["error"] for batch in batches(tmp_path)] == [seen.error]


def test_error_in_the_probing_is_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an error is one line without control characters, because it comes from outside."""

    def broken(*_: object) -> None:
        raise ValueError("odd \x1b]0;title\x07\nanswer")

    monkeypatch.setattr(AvailabilityProber, "_ask_until_stopped", broken)
    with probing(tmp_path, "http://127.0.0.1/") as prober:
        seen = until(prober, lambda seen: seen.error is not None)
    assert seen.error == "ValueError: odd \\u001b]0;title\\u0007 answer"


def test_stop_does_not_wait_for_an_address_that_hangs(tmp_path: Path) -> None:
    """The end of the run does not wait for a probe without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with probing(tmp_path, url, deadline=60) as prober:
            until(prober, lambda seen: seen.waiting_since is not None)
            began = time.monotonic()
        assert time.monotonic() - began < 3
        assert statuses(tmp_path) == []


@pytest.mark.parametrize(
    ("ended", "down"),
    [
        pytest.param([(0, 200), (1, 503), (2, 200), (3, 0), (6, 200)], 4.0, id="two-outages"),
        pytest.param([(0, 0), (5, 0)], 10.0, id="down-all-the-time"),
        pytest.param([(0, 200), (2, 200), (1, 0)], 0.0, id="late-news-of-an-earlier-probe"),
        pytest.param([(1, 0), (4, 200), (2, 0), (3, 0)], 3.0, id="recovered-while-others-wait"),
    ],
)
def test_outages_are_summed_up(ended: list[tuple[float, int]], down: float) -> None:
    """The seconds without service at second 10 are summed from probes in the order in which they ended."""
    seen = Availability("http://x/")
    for began, status in ended:
        seen = seen.with_probe(Probe(began, status, 0.1))
    assert seen.down(10) == down
    assert seen.probes == len(ended)
