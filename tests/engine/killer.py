"""A plugin that kills its own process with SIGKILL at one exact moment of a run: `-p tests.engine.killer`.

The moment stands in the environment variable RUNBOOK_KILL_AT. Counting begins at 1, by what the run writes down:

began:N       step N is on record as begun, and nothing in it has happened
ended:N       step N is on record as ended, and nothing has happened since
middle:N:S    the intent of change N is on record since S seconds; at its end, should it be over by then
last:N        everything in change N is done, and nothing of that is on record
crash:N:S     as `middle`, and the commands that it has begun die with it, as when the machine loses its power

In the place of N, words of a step or of a change name the first one that has them.
"""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runbook.journal.journal import Entry, Journal

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
        self.kind, self.place, *seconds = moment.split(":")
        self.seconds = float(seconds[0]) if seconds else 0.0
        self._of = "step" if self.kind in ("began", "ended") else "action"
        self._count = 0
        self._here = False

    def before(self, kind: str, state: str | None) -> None:
        """Strike before an entry is written, if this is the moment."""
        if self._of == "action" and self._here and (kind, state) == ("action", "done"):
            kill()

    def after(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Strike when an entry is written, if this is the moment."""
        begins = (kind, facts.get("state")) == (("step began", None) if self._of == "step" else ("action", "begun"))
        if begins:
            self._count += 1
            words = str(facts.get("text") or facts.get("summary"))
            self._here = self.place == str(self._count) or (not self.place.isdigit() and self.place in words)
        if not self._here:
            return
        if kind == f"step {self.kind}":
            kill()
        if begins and self.kind in ("middle", "crash"):
            timer = threading.Timer(self.seconds, kill, kwargs={"with_children": self.kind == "crash"})
            timer.daemon = True
            timer.start()


@pytest.hookimpl
def pytest_configure() -> None:
    """Stand beside everything that is written down."""
    killer, write = Killer(os.environ[VARIABLE]), Journal.write

    def watched(journal: Journal, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        killer.before(kind, facts.get("state"))
        entry = write(journal, kind, sync=sync, **facts)
        killer.after(kind, facts)
        return entry

    Journal.write = watched  # type: ignore[method-assign,assignment]  # the one place where everything comes by
