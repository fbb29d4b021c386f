"""Polling: repeat a check until it passes, cannot pass any more, or its deadline has passed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from runbook.actions import Check, Observation
from runbook.errors import HostError, Inconclusive


@dataclass(frozen=True)
class Waited:
    """The last observation, the number of looks, the seconds they took, and why the last one saw nothing, if so."""

    seen: Observation
    looks: int
    seconds: float
    unknown: Inconclusive | None


def wait_for(
    check: Check,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    *,
    patience: float = 0.0,
) -> Waited:
    """Observe until the check passes, cannot pass any more, or its deadline has passed; at least once.

    An observation that raises Inconclusive or HostError is repeated like one that saw the wrong thing, and beyond the
    deadline for `patience` seconds from the first such error in a row; if it is the last one, `unknown` says why. Other
    errors are raised.

    >>> wait_for(Check("up", lambda: Observation(ok=True, seen="it is up"), "start it")).seen.seen
    'it is up'
    """
    began = clock()
    looks = 0
    unseen_since: float | None = None
    while True:
        looks += 1
        unknown: Inconclusive | None = None
        try:
            seen = check.observe()
        except (Inconclusive, HostError) as error:
            unknown = Inconclusive(error.seen, error.next_step)
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
        sleep(check.interval)
