"""The usual duration of an execution, from the first and last entries of completed ones."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from runbook.clock import seconds_between
from runbook.report.plan_lookup import first_entry, last_entry

#: The number of newest executions that count. Older ones ran on a different production.
_NEWEST = 5
#: The limit in seconds for reading the records: users wait.
_READING = 0.5
_RESUMED = b'"kind":"resumed"'


def usual_duration(reports: Path, project: str, kind: str) -> float | None:
    """Return the median duration, in seconds, of the newest executions of that kind that passed in one run, or None."""
    until = time.monotonic() + _READING
    found: list[float] = []
    for journal in _newest_first(reports, f"-{project}-{kind}"):
        if len(found) == _NEWEST or time.monotonic() > until:
            break
        opened, closed = first_entry(journal), last_entry(journal)
        alike = (opened.get("project"), opened.get("type"), opened.get("mode")) == (project, kind, "execute")
        if not alike or closed.get("outcome") != "passed" or _was_resumed(journal):
            continue
        try:
            found.append(seconds_between(str(opened.get("time")), str(closed.get("time"))))
        except ValueError:
            continue
    return median(found) if found else None


def _newest_first(reports: Path, name: str) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(reports), reverse=True)  # noqa: PTH208 - names are enough, and there may be thousands
    except OSError:
        return
    yield from (reports / each / "journal.jsonl" for each in names if name in each)


def _was_resumed(journal: Path) -> bool:
    """Return whether the incident took more than one run. The pause in between says nothing about the duration."""
    try:
        return _RESUMED in journal.read_bytes()
    except OSError:
        return True
