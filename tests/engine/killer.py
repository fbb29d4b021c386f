"""A plugin that kills its own process with SIGKILL at one exact moment of a run: `-p tests.engine.killer`.

The moment stands in the environment variable RUNBOOK_KILL_AT. Counting begins at 1, by what the run writes down:

began:N       sentence N is on record as begun, and nothing in it has happened
ended:N       sentence N is on record as ended, and nothing has happened since
middle:N:S    the intent of change N is on record since S seconds; at its end, should it be over by then
last:N        everything in change N is done, and nothing of that is on record
crash:N:S     as `middle`, and the commands that it has begun die with it, as when the machine loses its power
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runbook.incident.journal import Entry, Journal

VARIABLE = "RUNBOOK_KILL_AT"
_PROCESS = os.getpid()


def kill(*, with_children: bool = False) -> None:
    children = list(_children()) if with_children else []
    # Somebody else has to do it: of its children's end this process must not hear.
    if not children or os.fork() == 0:
        for process in (_PROCESS, *children):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL) if process == _PROCESS else os.killpg(process, signal.SIGKILL)
        os._exit(0)


def _children() -> Iterator[int]:
    """The commands that this process has begun; each leads a process group of its own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent, group = stat.read_text().rpartition(")")[2].split()[1:3]
            if parent == str(_PROCESS) and group == stat.parent.name:
                yield int(group)


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
        if (
            self.kind in ("middle", "last", "crash")
            and (kind, state) == ("change", "done")
            and self._changes == self.number
        ):
            kill()

    def after(self, kind: str, state: str | None) -> None:
        """Strike when an entry is written, if this is the moment."""
        if kind == "sentence began":
            self._sentences += 1
        if (kind, self._sentences) == (f"sentence {self.kind}", self.number):
            kill()
        if (kind, state) == ("change", "begun"):
            self._changes += 1
            if self.kind in ("middle", "crash") and self._changes == self.number:
                timer = threading.Timer(self.seconds or 0, kill, kwargs={"with_children": self.kind == "crash"})
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

    Journal.write = watched  # type: ignore[method-assign,assignment]  # the one place where everything comes by
