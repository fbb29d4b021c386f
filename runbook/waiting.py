"""How the runbook waits: look, and look again, until it is so or the deadline has passed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from runbook.errors import HostError, Inconclusive
from runbook.sentence import Expectation, Seen


@dataclass(frozen=True)
class Waited:
    """The last look, how many there were, how long they took in seconds, and why the last one saw nothing, if so."""

    seen: Seen
    looks: int
    seconds: float
    unknown: Inconclusive | None


def wait_for(
    expectation: Expectation,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Waited:
    """Look until the expectation is met, cannot be met any more, or its deadline has passed.

    At least one look is made, however short the deadline. A look that could not be made (Inconclusive, or HostError: a
    command that failed or timed out) is tried again like one that saw the wrong thing; when it is the last one,
    `unknown` says why. All other errors are raised.
    """
    began = clock()
    looks = 0
    while True:
        looks += 1
        unknown: Inconclusive | None = None
        try:
            seen = expectation.look()
        except (Inconclusive, HostError) as error:
            unknown = Inconclusive(error.seen, error.next_step)
            seen = Seen(ok=False, seen=error.seen)
        seconds = clock() - began
        if seen.ok or seen.final or seconds + expectation.interval > expectation.deadline:
            return Waited(seen, looks, seconds, unknown)
        sleep(expectation.interval)
