"""How the runbook waits: look, and look again, until it is so or the deadline has passed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from runbook.actions import Check, Observation
from runbook.errors import HostError, Inconclusive


@dataclass(frozen=True)
class Waited:
    """The last look, how many there were, how long they took in seconds, and why the last one saw nothing, if so."""

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
    """Look until the expectation is met, cannot be met any more, or its deadline has passed.

    At least one look is made, however short the deadline. A look that could not be made (Inconclusive, or HostError: a
    command that failed or timed out) is tried again like one that saw the wrong thing, and beyond the deadline too for
    `patience` seconds from the first of its kind in a row; when it is the last one, `unknown` says why. All other
    errors are raised.
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
