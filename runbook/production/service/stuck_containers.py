"""Container states that do not end by themselves, so that a check fails at once instead of at its deadline."""

import time
from collections.abc import Callable, Collection

from runbook.production.containers import Container

#: Nothing starts a container out of these states; one that restarts by itself is `restarting`.
_STANDS_STILL = ("exited", "created", "paused", "dead", "removing")
#: Seconds in such a state before a container is given up.
_SURE = 3.0
#: Restarts, and seconds since the wait began, after which a container is given up.
CRASHES, CRASHING = 5, 20.0


class StuckContainers:
    """What one wait has seen of its containers, and since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[str, float]] = {}
        self._first: dict[str, tuple[int, float]] = {}

    def lasted(self, thing: str, condition: str | None, seconds: float) -> bool:
        """Tell whether `thing` has been in `condition` for `seconds`, by repeated calls; None resets it."""
        if condition is None:
            self._since.pop(thing, None)
            return False
        before, since = self._since.get(thing, ("", 0.0))
        if before != condition:
            since = self._clock()
            self._since[thing] = condition, since
        return self._clock() - since >= seconds

    def reasons(self, containers: Collection[Container]) -> list[str]:
        """Return why these containers will not come up by themselves; empty while they may."""
        return [reason for container in containers if (reason := self._reason(container))]

    def _reason(self, container: Container) -> str | None:
        still = container.state if container.state in _STANDS_STILL else None
        if self.lasted(container.id, still, _SURE):
            policy = f", with the restart policy {container.restart_policy!r}" if still == "exited" else ""
            return f"{container.one_line}{policy}: nothing starts it again"
        restarts, since = self._first.setdefault(container.id, (container.restarts, self._clock()))
        again, seconds = container.restarts - restarts, self._clock() - since
        if again >= CRASHES and seconds >= CRASHING:
            return f"{container.name} was restarted {again} times in {seconds:.0f} s: it does not start"
        return None
