"""The lock during a run: taken before anything begins, kept with a heartbeat, released at every ending."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from runbook.errors import RunbookError
from runbook.production.compose import Production
from runbook.shared_state.lock import Heartbeat, Held, Lock

#: Seconds for which a check of the lock stays valid: from the intent to the first command of a change.
_MOMENT = 0.25


class RunLock:
    """The lock of one production, held for one run."""

    def __init__(self, production: Production, incident: str, way_on: Callable[[str], str]) -> None:
        """`production` should be one whose commands are not recorded; `way_on` is passed to `Lock.take`."""
        self._lock = Lock(production)
        self._heartbeat = Heartbeat(self._lock)
        self._incident = incident
        self._way_on = way_on
        self._taken_over: Held | None = None
        #: When the lock was last seen to be this run's, on the monotonic clock.
        self._seen = float("-inf")
        #: The state of the lock, in words.
        self.state = "not taken"

    def take(self) -> None:
        """Take the lock and start its heartbeat. Raises LockHeld if another run holds it."""
        self._taken_over = self._lock.take(self._incident, self._way_on)
        self._heartbeat.start()
        self.state = "held"

    def keep(self) -> None:
        """Check that this run still holds the lock. Raises LockLost if not."""
        now = time.monotonic()
        if now - self._seen > _MOMENT:
            self._lock.heartbeat()
            self._seen = now

    def release(self) -> None:
        """Release the lock, however far `take` got. Never raises: a problem goes into `state`, for the last lines."""
        self._heartbeat.stop()
        if self._lock.holder is None:
            return
        try:
            ours = self._lock.release()
            self.state = "released" if ours else "LOST: another run may be changing production"
        except RunbookError as error:
            self.state = f"NOT RELEASED: {error}"

    @property
    def facts(self) -> dict[str, Any]:
        """The holder and the previous holder, as kept in the journal."""
        holder = self._lock.holder
        taken_over = self._taken_over
        return {
            "holder": asdict(holder) if holder else None,
            "taken_over_from": asdict(taken_over.holder) if taken_over else None,
        }


class RunLocks:
    """The locks of all hosts of a run, by host name: all are held, or none."""

    def __init__(self, locks: Mapping[str, RunLock]) -> None:
        """`locks` are in the order in which every run takes them."""
        self._locks = locks

    def take(self) -> None:
        """Take the locks one by one. If another run holds one, raise LockHeld and release those already taken."""
        with ExitStack() as until_all_are_held:
            until_all_are_held.callback(self.release)
            for host, lock in self._locks.items():
                try:
                    lock.take()
                except RunbookError as error:
                    raise error.on(host) from None
            until_all_are_held.pop_all()

    def keep(self) -> None:
        """Check that this run still holds all locks. Raises LockLost if not."""
        for lock in self._locks.values():
            lock.keep()

    def release(self) -> None:
        """Release all locks. Never raises."""
        for lock in self._locks.values():
            lock.release()

    @property
    def state(self) -> str:
        """The state of the locks, in words."""
        states = {host: lock.state for host, lock in self._locks.items()}
        if len(set(states.values())) == 1:
            return next(iter(states.values()))
        return "; ".join(f"{host}: {state}" for host, state in states.items())

    def facts(self, host: str) -> dict[str, Any]:
        """Return the holder of that host's lock, as kept in the journal."""
        return self._locks[host].facts
