"""The lock on the production host: one run at a time changes production.

It is a file in `.runbook/` whose content does not change while it is held. The heartbeat touches it, so its age follows
the host's clock. Every change, under flock(1), compares the content with what was read before, so that only one of two
simultaneous runs wins.
"""

import hashlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from runbook.actions import Action, ActionName, Scope
from runbook.clock import utc_now
from runbook.errors import ConnectionLost, Inconclusive, LockHeld, LockLost
from runbook.hosts.command import Command
from runbook.hosts.process import boot_id, process_start
from runbook.hosts.signals import signals_blocked
from runbook.operator import operator
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER
from runbook.shared_state.host_file import JsonLinesFile
from runbook.text import visible

#: Seconds between two heartbeats, and seconds without one after which the lock counts as abandoned.
SIGN_OF_LIFE = 5.0
ABANDONED_AFTER = 30

_FREE = "none"
_NOT_AS_SEEN = 75
_FLOCKED = 76
#: Seconds that flock(1) waits; each command holds it only briefly.
_FLOCK_WAIT = 10
#: What the command of `Lock.force` prints when another run has taken the lock since.
CHANGED_HANDS = "the lock is not as it was seen"
# $1 is the lock, $2 the SHA-256 of the content seen, or `none`; $3 is the action if the content is unchanged.
_COMPARE_AND = """
set -eu
seen=none
if [ -e "$1" ]; then seen=$(sha256sum < "$1"); seen=${seen%% *}; fi
[ "$seen" = "$2" ] || { echo "the lock is not as it was seen" >&2; exit 75; }
case "$3" in
    put) cat > "$1.new"; sync -- "$1.new"; mv -f -- "$1.new" "$1" ;;
    touch) touch --no-create -- "$1" ;;
    remove) rm -f -- "$1" ;;
esac
"""
_LOOK = """
set -eu
[ -e "$1" ] || exit 0
echo $(( $(date +%s) - $(stat --format=%Y -- "$1") ))
cat -- "$1"
"""


@dataclass(frozen=True)
class Holder:
    """The holder of the lock: `owner` on machine `host`, in `incident`, since `since` (UTC).

    `process`, `started` and `boot` identify the process, because PIDs are reused.
    """

    owner: str
    host: str
    incident: str
    since: str
    process: int
    started: str
    boot: str
    token: str

    @classmethod
    def this_process(cls, incident: str) -> "Holder":
        """Return this process as the holder for `incident`."""
        started = process_start(os.getpid()) or ""
        return cls(
            operator(), socket.gethostname(), incident, utc_now(), os.getpid(), started, boot_id(), secrets.token_hex(8)
        )

    @property
    def gone(self) -> bool:
        """Whether its process ran on this machine and has ended."""
        same_machine = (self.host, self.boot) == (socket.gethostname(), boot_id()) and self.boot != ""
        return same_machine and process_start(self.process) != self.started


@dataclass(frozen=True)
class Held:
    """The lock as read: its holder, the seconds since the last heartbeat by the host's clock, and its SHA-256."""

    holder: Holder
    age: int
    seal: str

    @property
    def abandoned(self) -> bool:
        """Whether its run has ended or sends no more heartbeats."""
        return self.holder.gone or self.age > ABANDONED_AFTER

    def __str__(self) -> str:
        """Return who holds it, where, since when, and the last heartbeat, in words."""
        holder = self.holder
        life = "its process has ended" if holder.gone else f"last heartbeat {self.age} s ago"
        told = f"incident {holder.incident} of {holder.owner} on {holder.host}, since {holder.since[:19]}Z ({life})"
        return visible(" ".join(told.split()))  # untrusted


class Lock:
    """The lock of one production."""

    def __init__(self, production: Production) -> None:
        """`production` should not record commands, because of the heartbeats."""
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}"
        self.path = f"{self._folder}/lock"
        self._mine = _FREE
        self.holder: Holder | None = None

    def observe(self) -> Held | None:
        """Return the held lock, or None if it is free. Raises Inconclusive when it cannot be read."""
        answer = self._production.host.run(self._production.command("sh", "-c", _LOOK, "sh", self.path))
        if answer.exit_code == 0 and not answer.stdout:
            return None
        age, _, content = answer.stdout.partition(b"\n")
        try:
            holder = Holder(**_strings(json.loads(content)))
            return Held(holder, int(age), hashlib.sha256(content).hexdigest())
        except (ValueError, TypeError, RecursionError):
            raise Inconclusive(
                f"the lock {self.path} cannot be read: {answer.last_line}",
                "look at it on the production host; if no run is active, remove it",
            ) from None

    def take(self, incident: str, way_on: Callable[[str], str]) -> Held | None:
        """Take the lock for `incident`. Return the abandoned lock that it took over, if any.

        Only the incident that abandoned a lock may take it over. For others, `way_on` returns the next step by the
        incident's name. Raises LockHeld when another run holds the lock, or another incident abandoned it.
        """
        held = self.observe()
        if held is not None:
            _refuse_unless_ours(held, incident, way_on)
        self._production.host.check(self._production.command("mkdir", "--parents", "--mode=700", "--", self._folder))
        holder = Holder.this_process(incident)
        content = (json.dumps(asdict(holder), sort_keys=True) + "\n").encode("ascii")
        # Set before the command runs, because a signal may arrive right after it.
        self.holder, self._mine = holder, hashlib.sha256(content).hexdigest()
        if not self._done(self._if_still(held.seal if held else _FREE, "put", content)):
            now = self.observe()
            raise LockHeld(
                f"another run took the lock at the same moment: {now or 'it has released it since'}",
                "wait until that run has ended, then try again",
            )
        return held

    def heartbeat(self) -> None:
        """Send a heartbeat. Raises LockLost when this run no longer holds the lock; then it may change nothing."""
        touch = self._if_still(self._mine, "touch")
        try:
            ours = self._done(touch)
        except ConnectionLost:  # repeating it is harmless
            ours = self._done(touch)
        if not ours:
            raise LockLost(
                f"this run lost its lock: {self._now_held()}",
                "somebody removed it: find out whose run is active, then continue with --resume",
            )

    def release(self) -> bool:
        """Release the lock if this run holds it, and tell whether it did."""
        ours = self.holder is not None and self._done(self._if_still(self._mine, "remove"))
        self._mine, self.holder = _FREE, None
        return ours

    def force(self, held: Held, incident: str, why: str) -> Action:
        """Return the change that removes the lock of `held`, and notes that in `.runbook/unlocked.jsonl`.

        The command fails and prints CHANGED_HANDS when another run has taken the lock since.
        """
        line = {"at": utc_now(), "by": operator(), "why": why, "incident": incident, "held": asdict(held.holder)}
        return Action(
            ActionName.FORCE_LOCK,
            f"the lock of incident {held.holder.incident} is removed",
            (
                self._if_still(held.seal, "remove"),
                *JsonLinesFile(self._production, "unlocked.jsonl").append_commands(line),
            ),
            scope=Scope.NOTES,
            resource=self.path,
            old=held.holder.incident,
        )

    def _now_held(self) -> str:
        return str(self.observe() or "nobody holds it")

    def _if_still(self, seen: str, then: str, content: bytes | None = None) -> Command:
        flock = ("flock", "--exclusive", "--wait", str(_FLOCK_WAIT), "--conflict-exit-code", str(_FLOCKED))
        guarded = (*flock, self._folder, "sh", "-c", _COMPARE_AND, "sh", self.path, seen, then)
        return self._production.command(*guarded, stdin=content)

    def _done(self, command: Command) -> bool:
        # False if the lock has changed since it was read.
        answer = self._production.host.run(command)
        if answer.exit_code == _FLOCKED:
            raise Inconclusive(
                f"another process has held flock(1) on {self._folder} for {_FLOCK_WAIT} s, where a moment was expected:"
                f" the lock {self.path} is unchanged",
                "to see which one, type lslocks --notruncate on the production host; end it if it hangs, then retry",
            )
        if answer.exit_code not in (0, _NOT_AS_SEEN):
            raise Inconclusive(
                f"the lock {self.path} cannot be changed: {answer.last_line}",
                "run this as the user who deploys; flock (util-linux) must be there",
            )
        return answer.exit_code == 0


class Heartbeat:
    """A thread that sends heartbeats while a run holds the lock."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        with signals_blocked():
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread if it was started. The lock stays held."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(SIGN_OF_LIFE)

    def _beat(self) -> None:
        while not self._stopped.wait(SIGN_OF_LIFE):
            # Errors are raised in the main thread, before the next change. No error ends the heartbeat, so a machine
            # that is briefly short of memory or file descriptors keeps its lock.
            with suppress(Exception):
                self._lock.heartbeat()


def _refuse_unless_ours(held: Held, incident: str, way_on: Callable[[str], str]) -> None:
    name = held.holder.incident
    if not held.abandoned:
        raise LockHeld(
            f"another run is changing this production: {held}",
            "wait until it has ended; a plan (without --execute) needs no lock",
        )
    if name != incident:
        raise LockHeld(f"the lock was abandoned by {held}", way_on(name))


def _strings(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict) or set(found) != set(Holder.__annotations__):
        raise ValueError("it is not a lock of this version")
    return {name: int(value) if name == "process" else str(value) for name, value in found.items()}
