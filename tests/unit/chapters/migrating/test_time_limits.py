"""Time limits for locks and statements, enforced in the database: who is cancelled and when, and who is not."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.migrating import time_limits
from runbook.chapters.migrating.migrate_command import Direction
from runbook.chapters.migrating.time_limits import Limits, addresses_of
from runbook.errors import CheckFailed, CommandFailed, Inconclusive
from runbook.incident.executor import Mode
from runbook.settings.database import DatabaseSettings
from runbook.settings.host import HostSettings
from tests.support.engine_server import FakeEngine, container
from tests.support.incident_parts import DEADLINES, incident, production

SETTINGS = DatabaseSettings(user="shop", name="shop", lock_timeout=10, statement_timeout=300)
ADDRESS = "172.18.0.9"


class Database:
    """A database with one session of the migration (`row`). Requests to end it are recorded."""

    def __init__(self) -> None:
        self.row = ["77", "2025-12-18 03:00:00+00", "f", "1.0", "ALTER TABLE orders DROP note", ""]
        self.ended: list[str] = []
        self.asked: list[str] = []

    def ask(self, query: str) -> list[list[str]]:
        self.asked.append(query)
        if "count(*)" in query:
            return [["1"]]
        if "_backend(pid)" in query:
            self.ended.append(query)
            return [["t"]]
        return [self.row]


def watched(database: Any, *looks: tuple[float, bool, float]) -> Limits:
    """Return the limits after these looks: the second, whether it waits for a lock, and how long its statement runs."""
    limits = Limits(SETTINGS, database)
    for at, waits, runs in looks:
        database.row[2:4] = ["t" if waits else "f", str(runs)]
        limits.observe([ADDRESS], at)
    return limits


def test_short_waits_and_statements_are_left_alone() -> None:
    """Several short waits, or a wait that begins late in a long statement, cancel nothing."""
    database = Database()
    limits = watched(database, (0, True, 200), (9, True, 209), (10, False, 210), (11, True, 211), (20, True, 220))
    assert limits.seen
    assert (limits.done, database.ended) == ([], [])


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        pytest.param([(0, True, 1), (10, True, 11)], "waited longer than 10 s (database.lock_timeout)", id="lock"),
        pytest.param([(0, False, 300)], "ran longer than 300 s (database.statement_timeout)", id="statement"),
    ],
)
def test_what_takes_too_long_is_cancelled(looks: list[tuple[float, bool, float]], words: str) -> None:
    """A statement over a limit is cancelled by PID and start time, so that no other session is hit."""
    database = Database()
    limits = watched(database, *looks)
    (ended,) = database.ended
    assert "pg_cancel_backend(pid)" in ended
    assert "pid = 77 AND query_start = E'2025-12-18 03:00:00+00'" in ended
    (done,) = limits.done
    assert done.startswith("`ALTER TABLE orders DROP note`")
    assert words in done
    assert all(f"IN (E'{ADDRESS}')" in query for query in database.asked if "client_addr" in query)


def test_what_a_cancel_does_not_end_is_ended_with_its_session() -> None:
    """If a cancelled statement still runs after 5 seconds, its session is terminated."""
    database = Database()
    watched(database, (0, False, 300), (1, False, 301), (5, False, 305))
    assert ["cancel" in query for query in database.ended] == [True, False]
    assert "pg_terminate_backend" in database.ended[1]


def test_who_holds_the_lock_is_named() -> None:
    """The session that holds the lock is named, with its application name."""
    database = Database()
    database.row[5] = "12 (reporting)"
    assert "held by session 12 (reporting)" in watched(database, (0, True, 1), (10, True, 11)).done[0]


def test_without_an_address_nobody_is_touched() -> None:
    """Without the container's address the database is not queried. A container on the host's network has none."""
    database = Database()
    limits = Limits(SETTINGS, database)  # type: ignore[arg-type]
    limits.observe([], 0)
    assert (limits.seen, database.asked) == (False, [])


@pytest.mark.parametrize(
    ("answer", "addresses"),
    [
        ({"Networks": {"a": {"IPAddress": ADDRESS, "GlobalIPv6Address": ""}}}, [ADDRESS]),
        ({"Networks": {"host": {"IPAddress": ""}}}, []),
        ({"Networks": {"a": {"IPAddress": "' OR true --"}}}, []),
        ({"Networks": None}, []),
        ("garbage", []),
        (None, []),
    ],
)
def test_addresses_of_a_container(tmp_path: Path, answer: Any, addresses: list[str]) -> None:
    """Only valid IP addresses are accepted; a container that does not exist has none."""
    held = [container("shop-downgrade", NetworkSettings=answer)] if answer else []
    there = production(tmp_path, incident(tmp_path), engine=FakeEngine(held))
    assert addresses_of(there, "shop-downgrade") == addresses


def context(folder: Path, mode: Mode) -> Any:
    """The parts of a production on which a migration will run."""
    found = incident(folder, mode)
    project = SimpleNamespace(name="shop", directory=folder, compose_files=(), env_file=".env")
    host = HostSettings()
    settings = SimpleNamespace(database=SETTINGS, project=project, host=host, deadlines=DEADLINES)
    return SimpleNamespace(incident=found, settings=settings, database=SimpleNamespace(quiet=lambda _there: None))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "_EVERY", 0.01)
    monkeypatch.setattr(time_limits, "addresses_of", lambda *_: [ADDRESS])


def decisions(parts: Any) -> list[tuple[str, str]]:
    entries = parts.incident.journal.entries
    return [(entry["answer"], "; ".join(entry["evidence"])) for entry in entries if entry["kind"] == "decision"]


def test_failed_command_says_what_it_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a cancelled migration begins with the cause, which is also recorded."""

    def observe(limits: Limits, *_: object) -> None:
        limits.done = ["`ALTER TABLE …` waited"]

    monkeypatch.setattr(Limits, "observe", observe)
    parts = context(tmp_path, Mode.EXECUTE)

    def fail_when_cancelled() -> None:
        with time_limits.kept(parts, Direction.DOWNGRADE):
            while not any("time limits" in thread.name for thread in threading.enumerate()):
                pass
            time.sleep(0.1)
            raise CommandFailed("`alembic` ended with exit code 1", "")

    with pytest.raises(CheckFailed, match="waited; then `alembic` ended"):
        fail_when_cancelled()
    assert decisions(parts) == [("no", "`ALTER TABLE …` waited")]
    assert not [thread for thread in threading.enumerate() if thread.name == "time limits"]


def test_watch_that_could_not_look_is_not_good_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the watch cannot look, the migration continues, and whether the limits were kept is recorded as not known."""

    def observe(*_: object) -> None:
        raise Inconclusive("the database shop does not answer", "")

    monkeypatch.setattr(Limits, "observe", observe)
    parts = context(tmp_path, Mode.EXECUTE)
    with time_limits.kept(parts, Direction.DOWNGRADE):
        time.sleep(0.1)
    assert decisions(parts) == [("not known", "the database shop does not answer")]
