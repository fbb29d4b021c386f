"""The engine's events end a wait early; without them the wait is a poll."""

import gc
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.hosts.engine.events import EngineEvents
from runbook.hosts.local import LocalHost
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import NOWHERE
from tests.support.parts import Heard

LONG = 20.0  # seconds; no test waits that long


def until(so: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    end = time.monotonic() + LONG
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)


def opened(engine: FakeEngine, heard: Heard | None = None) -> EngineEvents:
    """Return an open event stream; events so far are forgotten."""
    events = LocalHost(engine.environment, heard or Heard()).engine_events("shop")
    events.wait(LONG, LONG)  # ends when the stream is open
    until(lambda: events.is_open)
    events.look_begins()
    return events


def seconds(wait: Callable[[], None]) -> float:
    began = time.monotonic()
    wait()
    return time.monotonic() - began


def test_event_ends_the_pause_at_once() -> None:
    """An event ends the wait at once; only changes to the project's containers are listened to."""
    engine, heard = FakeEngine(), Heard()
    events = opened(engine, heard)
    threading.Timer(0.2, engine.stirred.release).start()
    assert seconds(lambda: events.wait(LONG, LONG)) < LONG / 2
    asked = next(request for request in heard.requests if "/events" in request.path)
    assert asked.status == 200
    assert "com.docker.compose.project%3Dshop" in asked.path
    assert "die" in asked.path
    assert "exec" not in asked.path
    events.close()


def test_undisturbed_is_what_an_open_stream_was_silent_about() -> None:
    """Only a stream that stayed open and silent since the moment shows that nothing has happened."""
    before = time.monotonic()
    engine = FakeEngine()
    events = LocalHost(engine.environment, Heard()).engine_events("shop")
    assert not events.undisturbed_since(before)
    events.wait(LONG, LONG)
    until(lambda: events.is_open)
    after = time.monotonic()
    assert not events.undisturbed_since(before)
    assert events.undisturbed_since(after)
    engine.stirred.release()
    until(lambda: not events.undisturbed_since(after))
    assert events.undisturbed_since(time.monotonic())
    events.close()
    until(lambda: not events.is_open)
    assert not events.undisturbed_since(time.monotonic())


@pytest.mark.parametrize(
    ("said", "disturbed"),
    [
        pytest.param(('{"Action": "die", "Actor": {"ID": "c"}}\n',), True, id="it died"),
        pytest.param(('{"Action": "rename", "Actor": {"ID": "c"}}\n',), False, id="a new name"),
        pytest.param(('{"Action": "die", "Actor": {"ID": "d"}}\n',), False, id="another one"),
        pytest.param(('{"Action": "die", "Ac', 'tor": {"ID": "c"}}\n'), True, id="in pieces"),
        pytest.param(('{"Action": "die", "Actor": {"ID": "d"}}',), True, id="not whole yet"),
        pytest.param(("nonsense\n",), True, id="not readable"),
        pytest.param(('{"Action": "die"}\n',), True, id="of nobody"),
    ],
)
def test_what_happened_to_which_container(said: tuple[str, ...], *, disturbed: bool) -> None:
    """An event disturbs only its own container; an unreadable event may be about any."""
    engine = FakeEngine(events=[each.encode() for each in said])
    events = opened(engine)
    since = time.monotonic()
    for _ in said:
        engine.stirred.release()
    until(lambda: not events.undisturbed_since(since) and not engine.events)
    time.sleep(0.1)
    assert events.undisturbed_since(since, ["c", "e"]) is not disturbed
    assert events.undisturbed_since(time.monotonic(), ["c", "e"])
    events.close()


def test_event_before_the_pause_is_not_lost() -> None:
    """An event during a look ends the wait after that look."""
    engine = FakeEngine()
    events = opened(engine)
    engine.stirred.release()
    time.sleep(0.3)
    assert seconds(lambda: events.wait(LONG, LONG)) < LONG / 2
    events.close()


def test_without_events_time_passes() -> None:
    """Without events a wait takes its full time while the stream is open."""
    engine = FakeEngine()
    events = opened(engine)
    assert 0.5 <= seconds(lambda: events.wait(0.1, 0.6)) < LONG
    events.close()


def test_without_an_engine_it_is_a_poll() -> None:
    """If the stream cannot be opened, each wait takes the poll's interval."""
    events = LocalHost(NOWHERE, Heard()).engine_events("shop")
    events.wait(0.1, LONG)
    for _ in range(3):
        events.look_begins()
        assert seconds(lambda: events.wait(0.1, LONG)) < LONG / 2
    events.close()


def test_stream_is_opened_again_after_the_engine_was_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that breaks off ends the wait and is opened again."""
    monkeypatch.setattr("runbook.hosts.engine.events._QUIET", 0.3)  # so that the stream breaks off
    engine = FakeEngine()
    events = opened(engine)
    assert seconds(lambda: events.wait(LONG, LONG)) < LONG / 2
    until(lambda: sum("/events" in path for path in engine.asked) >= 2)
    until(lambda: events.is_open)
    events.close()


def test_closed_stream_leaves_no_thread_and_says_nothing_more() -> None:
    """A closed stream ends its thread and records nothing more."""
    engine, heard = FakeEngine(), Heard()
    events = opened(engine, heard)
    known = len(heard.requests)
    events.close()
    until(lambda: not any(thread.name == "engine events" and thread.is_alive() for thread in threading.enumerate()))
    assert len(heard.requests) == known
    events.close()


def test_closed_while_it_is_opened() -> None:
    """A stream closed while it opens ends its thread and leaves no socket open."""
    engine = FakeEngine()
    for pause in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
        events = LocalHost(engine.environment, Heard()).engine_events("shop")
        events.listen()
        time.sleep(pause)
        events.close()
    until(lambda: not any(thread.name == "engine events" and thread.is_alive() for thread in threading.enumerate()))
    del events
    gc.collect()  # a socket left open would give a warning here


def test_thread_takes_no_signal() -> None:
    """The thread blocks signals, so that only the main thread gets them and can block them."""
    engine = FakeEngine()
    events = opened(engine)
    (thread,) = (each for each in threading.enumerate() if each.name == "engine events")
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text(encoding="ascii")
    blocked = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")), 16)
    assert all(blocked >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    events.close()
