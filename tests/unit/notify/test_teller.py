"""Messages sent during a run: in order, with retries, given up at the end. The run does not wait for them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.errors import SettingsError
from runbook.journal.journal import Journal
from runbook.notify import teller
from runbook.notify.announcement import Channel
from runbook.notify.teller import Teller
from runbook.notify.telling import Told
from runbook.secrets.redactor import Redactor
from runbook.settings.people import Turn
from tests.support.parts import Asked, Reply, serving


@contextmanager
def journal(folder: Path) -> Iterator[Journal]:
    made = Journal(folder / "journal.jsonl", Redactor())
    yield made
    made.close()


def told(made: Journal) -> list[tuple[str, str]]:
    return [(entry["turn"], entry["state"]) for entry in made.entries if entry["kind"] == "told"]


def channel(url: str) -> Channel:
    return Channel(SecretStr(url.replace("http://", "json://")), 0.5)


def test_messages_arrive_in_their_order(tmp_path: Path) -> None:
    """Messages arrive in order, and their intent is recorded before they are sent."""
    with serving(lambda _asked: Reply(200)) as server, journal(tmp_path) as made:
        people = Teller(made, lambda: channel(server.url))
        for turn in (Turn.STARTED, Turn.TRAFFIC_RESUMED, Turn.FAILED):
            people.tell(turn, "", Told(turn.value, "text"))
        people.settle(10)
        said = [json.loads(asked.body) for asked in server.asked]
        assert [(each["title"], each["type"]) for each in said] == [
            ("started", "info"),
            ("traffic_resumed", "info"),
            ("failed", "failure"),
        ]
        assert sorted(told(made)) == sorted((turn, state) for turn in said_turns(said) for state in ("begun", "done"))
        assert told(made)[0] == ("started", "begun")


def test_what_comes_next_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    """`wait_until_sent` waits until a message has arrived, or until its limit if the channel is down."""

    def slow(_asked: Asked) -> Reply:
        time.sleep(0.2)
        return Reply(200)

    with serving(slow) as server, journal(tmp_path) as made:
        people = Teller(made, lambda: channel(server.url))
        people.tell(Turn.STARTED, "", Told("t", "text"))
        people.wait_until_sent(10)
        assert told(made) == [("started", "begun"), ("started", "done")]
    (tmp_path / "down").mkdir()
    with journal(tmp_path / "down") as made:
        people = Teller(made, lambda: channel("http://127.0.0.1:1/"))
        people.tell(Turn.STARTED, "", Told("t", "text"))
        began = time.monotonic()
        people.wait_until_sent(0.2)
        assert time.monotonic() - began < 5
        assert told(made) == [("started", "begun")]
        people.settle(5)


def said_turns(said: list[dict[str, Any]]) -> list[str]:
    return [each["title"] for each in said]


def test_message_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is sent again after a channel was down for a moment."""
    monkeypatch.setattr(teller, "_FIRST_PAUSE", 0.01)
    replies = [Reply(503), Reply(503), Reply(200)]

    def answer(_asked: Asked) -> Reply:
        return replies.pop(0)

    with serving(answer) as server, journal(tmp_path) as made:
        people = Teller(made, lambda: channel(server.url))
        people.tell(Turn.STARTED, "", Told("started", "text"))
        until = time.monotonic() + 20
        while replies and time.monotonic() < until:
            time.sleep(0.01)
        people.settle(10)
        assert told(made) == [("started", "begun"), ("started", "done")]


def test_channel_that_is_down_is_on_record_with_the_text(tmp_path: Path) -> None:
    """If the channel is down, the run does not wait. The journal has the text and the reason."""
    with journal(tmp_path) as made:
        people = Teller(made, lambda: channel("json://127.0.0.1:1/"))
        began = time.monotonic()
        people.tell(Turn.STARTED, "", Told("started", "the text", "held.jinja: broken"))
        assert time.monotonic() - began < 5
        people.settle(10)
        begun, failed = (entry for entry in made.entries if entry["kind"] == "told")
        assert (begun["text"], begun["problem"]) == ("the text", "held.jinja: broken")
        assert failed["state"] == "failed"
        assert "not accepted" in failed["why"]


def test_channel_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A hanging channel is given up at the end of the run. Unsent messages count as failed. No entry follows later."""
    go_on = threading.Event()

    def hang() -> Channel:
        go_on.wait(60)
        raise SettingsError("no such secret", "put it there")

    before = set(threading.enumerate())
    with journal(tmp_path) as made:
        people = Teller(made, hang)
        people.tell(Turn.STARTED, "", Told("started", "text"))
        people.tell(Turn.HELD, "1.1.1", Told("held", "text"))
        began = time.monotonic()
        people.settle(0.2)
        assert time.monotonic() - began < 30
        assert told(made)[-2:] == [("started", "failed"), ("held", "failed")]
        entries = len(made.entries)
        go_on.set()
        begun = set(threading.enumerate()) - before
        assert begun
        for thread in begun:
            thread.join(10)
        assert len(made.entries) == entries


def test_error_while_the_channel_is_made(tmp_path: Path) -> None:
    """An unexpected error while making the channel is recorded, and does not stop the run."""

    def broken() -> Channel:
        raise ZeroDivisionError("a bug")

    with journal(tmp_path) as made:
        people = Teller(made, broken)
        people.tell(Turn.STARTED, "", Told("started", "text"))
        people.settle(5)
        assert made.entries[-1]["why"] == "ZeroDivisionError: a bug"


def test_nothing_to_tell_starts_nothing(tmp_path: Path) -> None:
    """A run without messages starts no thread and writes no entry."""
    with journal(tmp_path) as made:
        Teller(made, lambda: channel("json://127.0.0.1:1/")).settle(5)
        assert made.entries == []
