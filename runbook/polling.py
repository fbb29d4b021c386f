"""Polling: repeat a check until it passes, can no longer pass, or reaches its deadline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runbook.actions import Check, Observation
from runbook.errors import HostError, Inconclusive


@dataclass(frozen=True)
class Waited:
    """The last observation, the number of looks, their seconds in total, and the last look's error, if any."""

    seen: Observation
    looks: int
    seconds: float
    unknown: Inconclusive | None


#: Seconds between two looks when the engine reports changes: an event may be lost.
_SELDOM = 2.0
_JUST_AFTER = 0.01  # seconds


class Waker(Protocol):
    """An event source that ends the pause between two looks early."""

    def look_begins(self) -> None:
        """Forget the events until now: the look that starts now sees their effects."""

    def wait(self, seconds: float, between_events: float) -> None:
        """Wait for an event: at most `between_events` seconds, or `seconds` while no events are received."""


class Sleeper:
    """A pause that no event ends early."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def look_begins(self) -> None:
        """Do nothing."""

    def wait(self, seconds: float, between_events: float) -> None:
        """Sleep for `seconds`."""
        del between_events
        self._sleep(seconds)


def wait_for(
    check: Check,
    clock: Callable[[], float] = time.monotonic,
    waker: Waker | None = None,
    *,
    patience: float = 0.0,
) -> Waited:
    """Observe at least once, until the check passes, can no longer pass, or reaches its deadline.

    The next look follows an event from `waker`, or else a pause. An observation that raises Inconclusive or HostError
    is repeated like one that does not match. Such errors extend the deadline to `patience` seconds after the first
    error in a row. If the last observation raised one, `unknown` holds it. Other errors are raised.

    >>> wait_for(Check("up", lambda: Observation(ok=True, seen="it is up"), "start it")).seen.seen
    'it is up'
    """
    waker = waker or Sleeper()
    began = clock()
    looks = 0
    unseen_since: float | None = None
    while True:
        looks += 1
        unknown: Inconclusive | None = None
        waker.look_begins()
        try:
            seen = check.observe()
        except (Inconclusive, HostError) as error:
            unknown = Inconclusive(error.seen, error.next_step, getattr(error, "key", ""))
            seen = Observation(ok=False, seen=error.seen)
        seconds = clock() - began
        until = check.deadline
        if unknown is None:
            unseen_since = None
        else:
            unseen_since = seconds if unseen_since is None else unseen_since
            until = max(until, unseen_since + patience)
        if seen.ok or seen.final or seconds + check.interval > until:
            return Waited(seen, looks, seconds, unknown)
        _pause(check, seen, waker, until - seconds)


def _pause(check: Check, seen: Observation, waker: Waker, left: float) -> None:
    again = None if seen.again is None else seen.again + _JUST_AFTER
    seconds = check.interval if again is None else min(check.interval, again)
    seldom = min(_SELDOM if again is None else again, left) if check.told_by_engine else seconds
    waker.wait(seconds, max(seldom, seconds))
