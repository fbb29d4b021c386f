"""The lock as a run holds it: taken before anything is opened, kept with signs of life, let go of at every ending."""

from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from runbook.errors import RunbookError
from runbook.lock import Heartbeat, Held, Lock
from runbook.production import Production


class RunLock:
    """Holds the lock of a production for one run, as a context."""

    def __init__(self, production: Production, incident: str) -> None:
        """`production` should be one whose commands stay off the record."""
        self._lock = Lock(production)
        self._heartbeat = Heartbeat(self._lock)
        self._incident = incident
        self._project = production.project.name
        self._taken_over: Held | None = None
        #: What became of it, in words.
        self.state = "not taken"

    def __enter__(self) -> Self:
        """Take it. Raises LockHeld when another run has it."""
        try:
            self._taken_over = self._lock.take(self._incident, self._project)
            self._heartbeat.__enter__()
        except BaseException:
            self._release()
            raise
        self.state = "held"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go of it; never raises, since what it would say belongs to the last lines."""
        self._heartbeat.__exit__(kind, error, traceback)
        self._release()

    def keep(self) -> None:
        """Make sure that it is this run's still. Raises LockLost when it is not."""
        self._lock.keep()

    @property
    def facts(self) -> dict[str, Any]:
        """Who holds it, and from whom it was taken over, as the journal keeps it."""
        holder = self._lock.holder
        taken_over = self._taken_over
        return {
            "holder": asdict(holder) if holder else None,
            "taken_over_from": asdict(taken_over.holder) if taken_over else None,
        }

    def _release(self) -> None:
        try:
            self._lock.release()
            self.state = "released"
        except RunbookError as error:
            self.state = f"NOT RELEASED: {error}"
