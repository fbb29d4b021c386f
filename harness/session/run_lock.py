"""The lock as a run holds it: taken before anything is begun, kept with signs of life, let go of at every ending."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from runbook.errors import RunbookError
from runbook.production.compose import Production
from runbook.shared_state.lock import Heartbeat, Held, Lock

#: Seconds for which a look at the lock counts: between the intent and the first command of a change.
_MOMENT = 0.25


class RunLock:
    """Holds the lock of a production for one run."""

    def __init__(self, production: Production, incident: str, way_on: Callable[[str], str]) -> None:
        """`production` should be one whose commands stay off the record; `way_on` is as for `Lock.take`."""
        self._lock = Lock(production)
        self._heartbeat = Heartbeat(self._lock)
        self._incident = incident
        self._way_on = way_on
        self._taken_over: Held | None = None
        #: When it was seen last that it is this run's.
        self._seen = float("-inf")
        #: What became of it, in words.
        self.state = "not taken"

    def take(self) -> None:
        """Take it, and begin to give signs of life. Raises LockHeld when another run has it."""
        self._taken_over = self._lock.take(self._incident, self._way_on)
        self._heartbeat.start()
        self.state = "held"

    def keep(self) -> None:
        """Make sure that it is this run's still. Raises LockLost when it is not."""
        now = time.monotonic()
        if now - self._seen > _MOMENT:
            self._lock.heartbeat()
            self._seen = now

    def release(self) -> None:
        """Let go of it, however far `take` came; never raises, since what it would say belongs to the last lines."""
        self._heartbeat.stop()
        if self._lock.holder is None:
            return
        try:
            ours = self._lock.release()
            self.state = "released" if ours else "TAKEN AWAY: another run may be at work"
        except RunbookError as error:
            self.state = f"NOT RELEASED: {error}"

    @property
    def facts(self) -> dict[str, Any]:
        """Who holds it, and from whom it was taken over, as the journal keeps it."""
        holder = self._lock.holder
        taken_over = self._taken_over
        return {
            "holder": asdict(holder) if holder else None,
            "taken_over_from": asdict(taken_over.holder) if taken_over else None,
        }


class RunLocks:
    """The locks of all hosts of a run, by the host's name: all are held, or none."""

    def __init__(self, locks: Mapping[str, RunLock]) -> None:
        """`locks` are in the order in which every run takes them."""
        self._locks = locks

    def take(self) -> None:
        """Take them one by one. Raises LockHeld where another run has one; those taken before are let go of then."""
        with ExitStack() as until_all_are_held:
            until_all_are_held.callback(self.release)
            for host, lock in self._locks.items():
                try:
                    lock.take()
                except RunbookError as error:
                    raise error.on(host) from None
            until_all_are_held.pop_all()

    def keep(self) -> None:
        """Make sure that all are this run's still. Raises LockLost when one is not."""
        for lock in self._locks.values():
            lock.keep()

    def release(self) -> None:
        """Let go of them; never raises."""
        for lock in self._locks.values():
            lock.release()

    @property
    def state(self) -> str:
        """What became of them, in words."""
        states = {host: lock.state for host, lock in self._locks.items()}
        if len(set(states.values())) == 1:
            return next(iter(states.values()))
        return "; ".join(f"{host}: {state}" for host, state in states.items())

    def facts(self, host: str) -> dict[str, Any]:
        """Who holds that host's, as the journal keeps it."""
        return self._locks[host].facts
