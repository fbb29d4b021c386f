"""Container states that do not end on their own, so that a check fails early and not at its deadline."""

import time
from collections.abc import Callable, Collection

from runbook.production.containers import Container
from runbook.text import times

#: States in which nothing starts a container. One that the engine restarts is `restarting`.
_STANDS_STILL = ("exited", "created", "paused", "dead", "removing")
#: Seconds in one of these states after which a container is given up.
_SURE = 3.0
#: Restarts, and seconds since the wait began, after which a container is given up.
CRASHES, CRASHING = 5, 20.0


class StuckContainers:
    """The conditions that one wait has seen in its containers, and since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[str, float]] = {}
        self._first: dict[str, tuple[int, float]] = {}

    def lasted(self, thing: str, condition: str | None, seconds: float) -> bool:
        """Return whether repeated calls have seen `thing` in `condition` for `seconds`. None resets it."""
        if condition is None:
            self._since.pop(thing, None)
            return False
        before, since = self._since.get(thing, ("", 0.0))
        if before != condition:
            since = self._clock()
            self._since[thing] = condition, since
        return self._clock() - since >= seconds

    def reasons(self, containers: Collection[Container]) -> list[str]:
        """Return why these containers will not come up on their own; empty while they may."""
        return [reason for container in containers if (reason := self._reason(container))]

    def _reason(self, container: Container) -> str | None:
        still = container.state if container.state in _STANDS_STILL else None
        if self.lasted(container.id, still, _SURE):
            policy = f", with the restart policy {container.restart_policy!r}" if still == "exited" else ""
            return f"{container.one_line}{policy}: nothing will restart it"
        restarts, since = self._first.setdefault(container.id, (container.restarts, self._clock()))
        again, seconds = container.restarts - restarts, self._clock() - since
        if again >= CRASHES and seconds >= CRASHING:
            return f"{container.name} restarted {times(again)} in {seconds:.0f} s: crash loop"
        return None
