"""Continuous requests in the background, and how they are counted."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rehearsal.errors import RehearsalError
from rehearsal.incidents.user_load import Asked, Load


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that is set at the server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on this machine that answers 200."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as opened:
        opened.status = 200  # type: ignore[attr-defined]
        thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/x"


def until(seen: Callable[[], object]) -> None:
    """Wait until `seen` is true, at most 20 seconds."""
    end = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_requests_come_at_the_rate_and_are_counted_by_answer(server: ThreadingHTTPServer) -> None:
    """Requests keep to the rate, and answers before and after a switch can be distinguished."""
    began = time.monotonic()
    with Load(address(server), per_second=40) as load:
        until(lambda: load.count(200) >= 8)
        server.status = 404  # type: ignore[attr-defined]
        switched = datetime.now(UTC)
        until(lambda: load.count(404) >= 8)
    total = load.count(200) + load.count(404)
    assert total == len(load.asked)
    assert total <= 40 * (time.monotonic() - began) + 4
    assert load.count(200, since=switched) == 0
    assert load.count(404, since=switched) > 0
    first, last = load.first(404), load.last(200)
    assert first is not None
    assert last is not None
    assert last.at <= switched <= first.answered_at
    assert str(load).startswith(f"200: {load.count(200)}, 404: {load.count(404)}; the last 200 at {last.at:%Y-%m-%d}T")
    time.sleep(0.1)
    assert len(load.asked) == total


def test_it_ends_by_itself(server: ThreadingHTTPServer) -> None:
    """Requests end after the longest time, without a call of `stop`."""
    load = Load(address(server), per_second=50, longest=2)
    load.start()
    for thread in load._threads:
        thread.join(20)
    total = len(load.asked)
    assert 0 < total <= 120
    time.sleep(0.2)
    assert len(load.asked) == total
    load.stop()
    load.stop()


def test_no_answer_is_counted_too(server: ThreadingHTTPServer) -> None:
    """A refused connection counts as no answer."""
    url = address(server)
    server.socket.close()
    with Load(url, per_second=20) as load:
        until(lambda: load.asked)
    assert load.count(None) == len(load.asked) > 0
    assert str(load) == f"no answer: {load.count(None)}"
    assert load.first(200) is load.last(200) is None


def test_requests_are_kept_in_the_order_in_which_they_went_out() -> None:
    """Requests are sorted by the time they were sent, even if an early one was answered late."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    later = began + timedelta(seconds=1)
    load = Load("http://127.0.0.1:1/", per_second=1)
    load._asked += [Asked(later, later, 404), Asked(began, later + timedelta(seconds=1), 200)]
    assert [one.status for one in load.asked] == [200, 404]
    assert load.count(200, since=later) == 0
    assert load.count(404, since=later) == 1


@pytest.mark.parametrize("url", ["http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/"])
def test_nobody_elses_address_is_asked(url: str) -> None:
    """A URL that is not on this machine is refused."""
    with pytest.raises(RehearsalError, match="is not on this machine"):
        Load(url, per_second=1)


@pytest.mark.parametrize(("per_second", "longest"), [(0, 1), (-1, 1), (51, 1), (1, 0), (1, 901)])
def test_rate_and_time_are_bounded(per_second: float, longest: float) -> None:
    """A rate or time out of range is refused."""
    with pytest.raises(RehearsalError, match="out of range"):
        Load("http://127.0.0.1:1/", per_second=per_second, longest=longest)
