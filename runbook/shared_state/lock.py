"""One run changes a production at a time: the lock, on the production host, that laptops and CI all see.

The lock is a file in `.runbook/`. Its content never changes while it is held; a sign of life is a touch, so its age is
told by the host's own clock, and a laptop whose clock is wrong harms nobody. Everything that changes it compares what
is there with what was seen before, under flock(1), so that two who come at the same moment cannot both win.
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

from runbook.actions import Action, Scope
from runbook.clock import utc_now
from runbook.errors import Inconclusive, LockHeld, LockLost
from runbook.hosts.command import Command
from runbook.hosts.process import boot_id, process_start
from runbook.hosts.signals import signals_blocked
from runbook.operator import operator
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER
from runbook.shared_state.jsonl import JsonLinesFile
from runbook.text import visible

#: Seconds between two signs of life, and how long none may be seen before a lock counts as abandoned.
SIGN_OF_LIFE = 5.0
ABANDONED_AFTER = 30

_FREE = "none"
_NOT_AS_SEEN = 75
_FLOCKED = 76
#: Seconds that flock(1) waits for whoever has it. Each has it for a moment, for one small command.
_FLOCK_WAIT = 10
#: What the command of `Lock.force` says when the lock is another's by now.
CHANGED_HANDS = "the lock is not as it was seen"
# $1 the lock, $2 the SHA-256 of its content as it was seen, or `none`; $3 what to do if it is so still.
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
    """Who holds the lock: `owner` on machine `host`, in `incident`, since `since` (UTC).

    `process`, `started` and `boot` tell that very process from any other on that machine.
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
    def me(cls, incident: str) -> "Holder":
        """This process, as the holder for `incident`."""
        started = process_start(os.getpid()) or ""
        return cls(
            operator(), socket.gethostname(), incident, utc_now(), os.getpid(), started, boot_id(), secrets.token_hex(8)
        )

    @property
    def gone(self) -> bool:
        """Tell whether it is known to be dead: its process ran on this machine, and is not there any more."""
        same_machine = (self.host, self.boot) == (socket.gethostname(), boot_id()) and self.boot != ""
        return same_machine and process_start(self.process) != self.started


@dataclass(frozen=True)
class Held:
    """The lock as it was seen: its holder, and the seconds since the last sign of life, by the host's clock."""

    holder: Holder
    age: int
    seal: str

    @property
    def abandoned(self) -> bool:
        """Tell whether nobody keeps it any more."""
        return self.holder.gone or self.age > ABANDONED_AFTER

    def __str__(self) -> str:
        """Who, where, since when, in which incident, and the last sign of life."""
        holder = self.holder
        life = "its process is gone" if holder.gone else f"last sign of life {self.age} s ago"
        told = f"incident {holder.incident} of {holder.owner} on {holder.host}, since {holder.since[:19]}Z ({life})"
        return visible(" ".join(told.split()))  # others wrote it


class Lock:
    """The lock of one production."""

    def __init__(self, production: Production) -> None:
        """`production` should be one whose commands stay off the record: signs of life are no news."""
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}"
        self.path = f"{self._folder}/lock"
        self._mine = _FREE
        self.holder: Holder | None = None

    def observe(self) -> Held | None:
        """Who holds it, or None. Raises Inconclusive when that cannot be read: unknown is not free."""
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
                "look at it on the production host; if nobody is at work there, remove it",
            ) from None

    def take(self, incident: str, way_on: Callable[[str], str]) -> Held | None:
        """Take the lock for `incident`, and return whose abandoned one was taken over, if so.

        Only the incident that it was abandoned by may take it over; for others `way_on` says what to type, by its name.
        Raises LockHeld when somebody has it.
        """
        held = self.observe()
        if held is not None:
            _refuse_unless_ours(held, incident, way_on)
        self._production.host.check(self._production.command("mkdir", "--parents", "--mode=700", "--", self._folder))
        holder = Holder.me(incident)
        content = (json.dumps(asdict(holder), sort_keys=True) + "\n").encode("ascii")
        # Noted before: a signal may come between the deed and its notice.
        self.holder, self._mine = holder, hashlib.sha256(content).hexdigest()
        if not self._done(self._if_still(held.seal if held else _FREE, "put", content)):
            now = self.observe()
            raise LockHeld(
                f"somebody took the lock at this very moment: {now or 'and let go of it again'}",
                "wait until that run has ended, then type it again",
            )
        return held

    def keep(self) -> None:
        """Give a sign of life. Raises LockLost when the lock is another's by now, and nothing may be changed."""
        if not self._done(self._if_still(self._mine, "touch")):
            raise LockLost(
                f"the lock of this run was taken away: {self._now_held()}",
                "somebody forced it: find out who is at work, then go on with --resume",
            )

    def release(self) -> bool:
        """Let go of it, if it is this run's, and tell whether it was. What is another's by now is left alone."""
        ours = self.holder is not None and self._done(self._if_still(self._mine, "remove"))
        self._mine, self.holder = _FREE, None
        return ours

    def force(self, held: Held, incident: str, why: str) -> Action:
        """The change that takes the lock away from `held`, and from nobody else, and then says so beside it there.

        Its command fails with CHANGED_HANDS when the lock is another's by now.
        """
        line = {"at": utc_now(), "by": operator(), "why": why, "incident": incident, "held": asdict(held.holder)}
        return Action(
            f"the lock of incident {held.holder.incident} is taken away",
            (
                self._if_still(held.seal, "remove"),
                *JsonLinesFile(self._production, "unlocked.jsonl").append_commands(line),
            ),
            scope=Scope.NOTES,
        )

    def _now_held(self) -> str:
        return str(self.observe() or "nobody holds it")

    def _if_still(self, seen: str, then: str, content: bytes | None = None) -> Command:
        flock = ("flock", "--exclusive", "--wait", str(_FLOCK_WAIT), "--conflict-exit-code", str(_FLOCKED))
        guarded = (*flock, self._folder, "sh", "-c", _COMPARE_AND, "sh", self.path, seen, then)
        return self._production.command(*guarded, stdin=content)

    def _done(self, command: Command) -> bool:
        """Run such a command, and tell whether the lock was as it had been seen."""
        answer = self._production.host.run(command)
        if answer.exit_code == _FLOCKED:
            raise Inconclusive(
                f"another process holds flock(1) on {self._folder} for {_FLOCK_WAIT} s by now, and at most a moment was"
                f" expected: the lock {self.path} is left as it is",
                "to see which one, type lslocks --notruncate on the production host; end it if it hangs, then type the"
                " same again",
            )
        if answer.exit_code not in (0, _NOT_AS_SEEN):
            raise Inconclusive(
                f"the lock {self.path} cannot be changed: {answer.last_line}",
                "run this as the user who deploys; flock (util-linux) must be there",
            )
        return answer.exit_code == 0


class Heartbeat:
    """Gives signs of life in a thread of its own while a run holds the lock."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)

    def start(self) -> None:
        """Begin."""
        with signals_blocked():
            self._thread.start()

    def stop(self) -> None:
        """End, if it was begun; the lock stays taken."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(SIGN_OF_LIFE)

    def _beat(self) -> None:
        while not self._over.wait(SIGN_OF_LIFE):
            # A lock that was lost, or a host that does not answer, is told before the next change, in the main thread.
            # Nothing ends the beating: a machine short of memory, threads or files for a moment does not lose its lock.
            with suppress(Exception):
                self._lock.keep()


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
