"""A plugin that kills its own process with SIGKILL at an exact moment of a run: `-p tests.engine.killer`.

The environment variable RUNBOOK_KILL_AT names the moment. Counting begins at 1 and follows the journal:

began:N       step N is recorded as begun, and nothing in it has happened
ended:N       step N is recorded as ended, and nothing has happened since
middle:N:S    the intent of change N was recorded S seconds ago; at the end of the change if that comes earlier
last:N        everything in change N is done, and nothing of that is recorded
crash:N:S     like `middle`, and the commands it started die with it, as in a power failure

Instead of N, words of a step or change select the first one that contains them.
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
    # Another process must do it: this one must not notice the end of its children.
    if not children or os.fork() == 0:
        for process in (_PROCESS, *children):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL) if process == _PROCESS else os.killpg(process, signal.SIGKILL)
        os._exit(0)


def _children() -> Iterator[int]:
    """Yield the commands that this process has started. Each one leads a process group."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent, group = stat.read_text().rpartition(")")[2].split()[1:3]
            if parent == str(_PROCESS) and group == stat.parent.name:
                yield int(group)


class Killer:
    """Counts what is written, and kills the process."""

    def __init__(self, moment: str) -> None:
        self.kind, self.place, *seconds = moment.split(":")
        self.seconds = float(seconds[0]) if seconds else 0.0
        self._of = "step" if self.kind in ("began", "ended") else "action"
        self._count = 0
        self._here = False

    def before(self, kind: str, state: str | None) -> None:
        """Kill before an entry is written, if this is the moment."""
        if self._of == "action" and self._here and (kind, state) == ("action", "done"):
            kill()

    def after(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Kill after an entry is written, if this is the moment."""
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
    """Watch everything that is written to the journal."""
    killer, write = Killer(os.environ[VARIABLE]), Journal.write

    def watched(journal: Journal, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        killer.before(kind, facts.get("state"))
        entry = write(journal, kind, sync=sync, **facts)
        killer.after(kind, facts)
        return entry

    Journal.write = watched  # type: ignore[method-assign,assignment]  # the one place where everything comes by
