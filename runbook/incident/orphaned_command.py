"""What a run left behind that was killed, or lost the host: commands that it had begun, which may be at work still."""

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
    """Let what is in flight come to its end, within the deadline that it had; stop it then. Put that on record.

    Two commands of one incident at once (an old `docker compose up` and a new one) would disturb each other. What must
    be run after the command was stopped is run on `host`, also when it is gone already: it may have been killed with
    its run, and what it began elsewhere, a container say, goes on. Raises HostError when that cannot be run.
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
    """Wait for the end of the command, or bring it about; return in words how it ended."""
    if not _alive(left, host):
        return "was gone"
    waiting(f"waiting for `{left['command']}`, which the run that died has left at work")
    if _gone_within(left, float(left["deadline"]), host):
        return _BY_ITSELF
    for number in (signal.SIGTERM, signal.SIGKILL):
        host.signal(left["process"], number)
        _gone_within(left, _GRACE, host)
    return "could not be stopped" if _alive(left, host) else "was stopped"


def _in_flight(entries: Sequence[Entry], host: Host) -> list[Mapping[str, Any]]:
    """The commands that began and are not known to have ended, on this machine since it was started."""
    left: list[Mapping[str, Any]] = []
    for entry in entries:
        if entry["kind"] == "command began":
            left.append(entry)
        elif entry["kind"] == "left behind":
            left = [each for each in left if each["process"] != entry["process"]]
        # After a lost connection, or where the host does not answer, what was begun there may be at work still. What is
        # run after a command was stopped comes before that command's own end.
        elif entry["kind"] == "command" and not entry.get("at_large"):
            ended = next((each for each in reversed(left) if each["command"] == entry["command"]), None)
            left = [each for each in left if each is not ended]
    here = host.machine() if left else ("", "")
    return [each for each in left if (each["host"], each.get("boot")) == here and all(here)]


def _alive(left: Mapping[str, Any], host: Host) -> bool:
    # One that ended before its start could be read has no start.
    return left["started"] is not None and bool(host.process_start(left["process"]) == left["started"])


def _gone_within(left: Mapping[str, Any], seconds: float, host: Host) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(left, host):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
