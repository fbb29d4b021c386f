"""What a run that was killed left behind: the command that it had begun, which may be at work still."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from runbook.hosts.local import Host, cleanup_command
from runbook.hosts.process import boot_id, process_start
from runbook.journal.journal import Entry, Journal

_PAUSE = 0.2  # seconds between two looks
_GRACE = 5.0  # seconds to end after SIGTERM
_BY_ITSELF = "came to its end"


def settle(journal: Journal, waiting: Callable[[str], None], host: Host | None = None) -> None:
    """Let the command in flight come to its end, within the deadline that it had; stop it then. Put that on record.

    Two commands of one incident at once (an old `docker compose up` and a new one) would disturb each other. What must
    be run after the command was stopped is run on `host`, also when it is gone already: it may have been killed with
    its run, and what it began elsewhere, a container say, goes on. Raises HostError when that cannot be run.
    """
    left = _in_flight(journal.entries)
    if left is None or not (_alive(left) or left.get("if_stopped")):
        return
    began = time.monotonic()
    how = _ended(left, waiting)
    if host is not None and left.get("if_stopped") and how != _BY_ITSELF:
        host.run(cleanup_command(left["if_stopped"], left["directory"]))
    seconds = round(time.monotonic() - began, 3)
    journal.write("left behind", sync=True, command=left["command"], process=left["process"], how=how, seconds=seconds)


def _ended(left: Mapping[str, Any], waiting: Callable[[str], None]) -> str:
    """Wait for the end of the command, or bring it about; return in words how it ended."""
    if not _alive(left):
        return "was gone"
    waiting(f"waiting for `{left['command']}`, which the run that died has left at work")
    if _gone_within(left, float(left["deadline"])):
        return _BY_ITSELF
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(left["process"], number)
        _gone_within(left, _GRACE)
    return "could not be stopped" if _alive(left) else "was stopped"


def _in_flight(entries: Sequence[Entry]) -> Mapping[str, Any] | None:
    """The newest command that began and did not end, on this machine since it was started."""
    left: Mapping[str, Any] | None = None
    for entry in entries:
        if entry["kind"] == "command began":
            left = entry
        elif entry["kind"] in ("command", "left behind"):
            left = None
    here = (socket.gethostname(), boot_id())
    return left if left is not None and (left["host"], left.get("boot")) == here and all(here) else None


def _alive(left: Mapping[str, Any]) -> bool:
    # One that ended before its start could be read has no start.
    return left["started"] is not None and bool(process_start(left["process"]) == left["started"])


def _gone_within(left: Mapping[str, Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(left):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
