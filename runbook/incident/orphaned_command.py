"""Orphaned commands: begun by a run that was killed or lost the host, and possibly still running."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runbook.hosts.host import Host, cleanup_command
from runbook.journal.journal import Entry, Journal

_PAUSE = 0.2  # seconds between two looks
_GRACE = 5.0  # seconds to end after SIGTERM
_BY_ITSELF = "came to its end"


def settle(journal: Journal, waiting: Callable[[str], None], host: Host) -> None:
    """Wait for orphaned commands until their own deadlines, then stop them, and record the result.

    Two commands of one incident at the same time (an old `docker compose up` and a new one) would disturb each other.
    A command's cleanup runs on `host` even if the command is gone: it may have been killed with its run while a
    container that it started still runs. Raises HostError if the cleanup fails.
    """
    for left in _in_flight(journal.entries, host):
        if not (_alive(left, host) or left.get("if_stopped")):
            continue
        began = time.monotonic()
        how = _ended(left, waiting, host)
        if left.get("if_stopped") and how != _BY_ITSELF:
            host.run(cleanup_command(left["if_stopped"], left["directory"]))
        about = {"command": left["command"], "process": left["process"], "how": how}
        journal.write("left behind", sync=True, **about, seconds=round(time.monotonic() - began, 3))


def _ended(left: Mapping[str, Any], waiting: Callable[[str], None], host: Host) -> str:
    """Wait for the command to end, or stop it. Return in words how it ended."""
    if not _alive(left, host):
        return "was gone"
    waiting(f"waiting for `{left['command']}`, which a dead run left running")
    if _gone_within(left, float(left["deadline"]), host):
        return _BY_ITSELF
    for number in (signal.SIGTERM, signal.SIGKILL):
        host.signal(left["process"], number)
        _gone_within(left, _GRACE, host)
    return "could not be stopped" if _alive(left, host) else "was stopped"


def _in_flight(entries: Sequence[Entry], host: Host) -> list[Mapping[str, Any]]:
    """Return the commands that began since this machine booted and are not known to have ended."""
    left: list[Mapping[str, Any]] = []
    for entry in entries:
        if entry["kind"] == "command began":
            left.append(entry)
        elif entry["kind"] == "left behind":
            left = [each for each in left if each["process"] != entry["process"]]
        # After a lost connection, or if the host does not answer, a command may still run there (`at_large`).
        # A command's cleanup is recorded before the end of the command itself.
        elif entry["kind"] == "command" and not entry.get("at_large"):
            ended = next((each for each in reversed(left) if each["command"] == entry["command"]), None)
            left = [each for each in left if each is not ended]
    here = host.machine() if left else ("", "")
    return [each for each in left if (each["host"], each.get("boot")) == here and all(here)]


def _alive(left: Mapping[str, Any], host: Host) -> bool:
    # A command that ended before its start time could be read has none.
    return left["started"] is not None and bool(host.process_start(left["process"]) == left["started"])


def _gone_within(left: Mapping[str, Any], seconds: float, host: Host) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(left, host):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
