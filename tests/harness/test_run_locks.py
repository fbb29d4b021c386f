"""The locks of several hosts: taken one by one in order, all or none, and kept together."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.session import run_lock
from harness.session.run_lock import RunLock, RunLocks
from runbook.errors import LockHeld, LockLost


class OneLock:
    """A fake lock that lists each take and release in `told`."""

    def __init__(self, told: list[str], name: str, *, held: bool = False) -> None:
        self.told, self.name, self.held = told, name, held
        self.state = "not taken"

    def take(self) -> None:
        if self.held:
            raise LockHeld("another run is changing this production", "wait until it has ended")
        self.told.append(f"{self.name} taken")
        self.state = "held"

    def keep(self) -> None:
        if self.state != "held":
            raise LockLost("the lock of this run was taken away", "find out who is at work")

    def release(self) -> None:
        if self.state == "held":
            self.told.append(f"{self.name} released")
            self.state = "released"


def locks(found: Mapping[str, OneLock]) -> RunLocks:
    return RunLocks(cast("dict[str, RunLock]", found))


def test_lock_that_was_seen_a_moment_ago_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that was checked a moment ago is not checked again; a lost lock makes every later `keep` fail."""
    looks: list[bool] = []

    def heartbeat() -> None:
        looks.append(True)
        if len(looks) > 2:
            raise LockLost("the lock of this run was taken away", "find out who is at work")

    lock = RunLock(cast("Any", SimpleNamespace(directory="/srv/shop")), "incident", str)
    vars(lock)["_lock"].heartbeat = heartbeat
    lock.keep()
    lock.keep()
    assert len(looks) == 1
    monkeypatch.setattr(run_lock, "_MOMENT", -1.0)
    lock.keep()
    assert len(looks) == 2
    monkeypatch.setattr(run_lock, "_MOMENT", 0.0)
    for _ in range(2):
        with pytest.raises(LockLost):
            lock.keep()


def test_all_are_taken_in_their_order() -> None:
    told: list[str] = []
    found = {name: OneLock(told, name) for name in ("shop-1", "shop-2", "shop-3")}
    taken = locks(found)
    taken.take()
    assert told == ["shop-1 taken", "shop-2 taken", "shop-3 taken"]
    assert taken.state == "held"
    taken.release()
    assert taken.state == "released"


def test_where_one_is_held_none_is_kept() -> None:
    """If one lock is held, the refusal names its host, and the locks taken before are released."""
    told: list[str] = []
    found = {
        "shop-1": OneLock(told, "shop-1"),
        "shop-2": OneLock(told, "shop-2", held=True),
        "shop-3": OneLock(told, "3"),
    }
    with pytest.raises(LockHeld, match="shop-2: another run is changing this production"):
        locks(found).take()
    assert told == ["shop-1 taken", "shop-1 released"]


def test_one_that_is_lost_stops_the_changes_on_all() -> None:
    found: dict[str, Any] = {name: OneLock([], name) for name in ("shop-1", "shop-2")}
    taken = locks(found)
    taken.take()
    taken.keep()
    found["shop-2"].state = "taken away"
    with pytest.raises(LockLost):
        taken.keep()
    assert taken.state == "shop-1: held; shop-2: taken away"
