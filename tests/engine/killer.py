"""A plugin that kills its own process with SIGKILL at one exact moment of a run: `-p tests.engine.killer`.

The moment stands in the environment variable RUNBOOK_KILL_AT. Counting begins at 1, by what the run writes down:

began:N       sentence N is on record as begun, and nothing in it has happened
ended:N       sentence N is on record as ended, and nothing has happened since
middle:N:S    the intent of change N is on record since S seconds; at its end, should it be over by then
last:N        everything in change N is done, and nothing of that is on record
"""

import os
import signal
import threading
from typing import Any

import pytest

from runbook.incident.journal import Entry, Journal

VARIABLE = "RUNBOOK_KILL_AT"


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    """Counts what is written down, and strikes."""

    def __init__(self, moment: str) -> None:
        self.kind, number, *seconds = moment.split(":")
        self.number = int(number)
        self.seconds = float(seconds[0]) if seconds else None
        self._sentences = 0
        self._changes = 0

    def before(self, kind: str, state: str | None) -> None:
        """Strike before an entry is written, if this is the moment."""
        if self.kind in ("middle", "last") and (kind, state) == ("change", "done") and self._changes == self.number:
            kill()

    def after(self, kind: str, state: str | None) -> None:
        """Strike when an entry is written, if this is the moment."""
        if kind == "sentence began":
            self._sentences += 1
        if (kind, self._sentences) == (f"sentence {self.kind}", self.number):
            kill()
        if (kind, state) == ("change", "begun"):
            self._changes += 1
            if self.kind == "middle" and self._changes == self.number:
                timer = threading.Timer(self.seconds or 0, kill)
                timer.daemon = True
                timer.start()


@pytest.hookimpl
def pytest_configure() -> None:
    """Stand beside everything that is written down."""
    killer, write = Killer(os.environ[VARIABLE]), Journal.write

    def watched(journal: Journal, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        killer.before(kind, facts.get("state"))
        entry = write(journal, kind, sync=sync, **facts)
        killer.after(kind, facts.get("state"))
        return entry

    Journal.write = watched  # type: ignore[method-assign]  # the one place where everything comes by
