"""What a run that was killed left behind: the command that it had begun, which may be at work still."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from runbook.incident.journal import Entry, Journal
from runbook.process import start_of

_PAUSE = 0.2  # seconds between two looks
_GRACE = 5.0  # seconds to end after SIGTERM


def settle(journal: Journal, waiting: Callable[[str], None]) -> None:
    """Let the command in flight come to its end, within the deadline that it had; stop it then. Put that on record.

    Two commands of one incident at once (an old `docker compose up` and a new one) would disturb each other.
    """
    left = _in_flight(journal.entries)
    if left is None or not _alive(left):
        return
    waiting(f"waiting for `{left['command']}`, which the run that died has left at work")
    began = time.monotonic()
    ended = _gone_within(left, float(left["deadline"]))
    for number in () if ended else (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(left["process"], number)
        _gone_within(left, _GRACE)
    seconds = round(time.monotonic() - began, 3)
    how = "came to its end" if ended else "was stopped"
    journal.write("left behind", sync=True, command=left["command"], process=left["process"], how=how, seconds=seconds)


def _in_flight(entries: Sequence[Entry]) -> Mapping[str, Any] | None:
    """The newest command that began and did not end, on this machine."""
    left: Mapping[str, Any] | None = None
    for entry in entries:
        if entry["kind"] == "command began":
            left = entry
        elif entry["kind"] in ("command", "left behind"):
            left = None
    return left if left is not None and left["host"] == socket.gethostname() else None


def _alive(left: Mapping[str, Any]) -> bool:
    return bool(start_of(left["process"]) == left["started"])


def _gone_within(left: Mapping[str, Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(left):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
