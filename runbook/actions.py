"""What steps are made of: a change that converges when repeated, and an expectation with a deadline."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from runbook.hosts.command import Command
from runbook.settings.absent import Absent


class Scope(StrEnum):
    """What a change touches.

    `production`: what runs, or what the next start would read. `images`: images on the host, which nothing runs yet; a
    plan fetches them. `notes`: the runbook's own files on the host; a validation writes them. `people`: what they read.
    """

    PRODUCTION = "production"
    IMAGES = "images"
    NOTES = "notes"
    PEOPLE = "people"


class ActionName(StrEnum):
    """What a change does: what the record, and whoever reads it, goes by."""

    ANNOUNCE = "announce"
    BRING_UP = "bring_up"
    BUILD_BRIDGE = "build_bridge"
    CLOSE_ROLLBACK = "close_rollback"
    DOWNGRADE = "downgrade"
    ENTER_LEDGER = "enter_ledger"
    FETCH_IMAGES = "fetch_images"
    FORCE_LOCK = "force_lock"
    HOLD_TRAFFIC = "hold_traffic"
    KEEP_ROWS = "keep_rows"
    LOG_INCIDENT = "log_incident"
    NOTE_BRIDGE = "note_bridge"
    OPEN_ROLLBACK = "open_rollback"
    OPEN_TICKET = "open_ticket"
    PAUSE_TRAFFIC = "pause_traffic"
    QUARANTINE = "quarantine"
    REDEPLOY = "redeploy"
    REMOVE_BRIDGE = "remove_bridge"
    REMOVE_DUMP = "remove_dump"
    REMOVE_FAILED = "remove_failed"
    REMOVE_TARGET = "remove_target"
    RESTORE_BESIDE = "restore_beside"
    RESTORE_IMAGE_TAG = "restore_image_tag"
    RESUME_TRAFFIC = "resume_traffic"
    SET_IMAGE_TAG = "set_image_tag"
    SET_KILL_SWITCH = "set_kill_switch"
    START_BESIDE = "start_beside"
    STOP_APPLICATION = "stop_application"
    SWAP_DATABASE = "swap_database"
    TAKE_OUT_FAILED = "take_out_failed"
    TAKE_RESTORE_POINT = "take_restore_point"
    UPGRADE = "upgrade"


class LeftOut(StrEnum):
    """Why a scenario is not run."""

    STRATEGY = "strategy"  # it is for another one
    SWITCH = "switch"  # it is for another way to switch
    NEEDS = "needs"  # what it needs did not pass
    NOTHING_TO_DO = "nothing to do"
    PASSED = "passed"  # in this incident, before
    PAST = "past"  # the incident is, and it did not come to its end

    @property
    def settled(self) -> bool:
        """Tell whether the scenario need not run any more in this incident."""
        return self is not LeftOut.NEEDS


class Question(StrEnum):
    """What is decided in an incident, by the runbook or by a person."""

    BRIDGE = "bridge"
    CONFIGURATION = "configuration"
    FORWARD_FIX = "forward_fix"
    LOCK = "lock"
    LOSS = "loss"
    NO_MIGRATIONS = "no_migrations"
    OVERRIDE = "override"
    READINESS = "readiness"
    RESTORE_POINT = "restore_point"
    SAME_TARGET = "same_target"
    SWITCH = "switch"
    TARGET = "target"
    TIME_LIMITS = "time_limits"
    VERDICT = "verdict"


class Outcome(StrEnum):
    """How a step, a scenario or an incident can end. There is no other way."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    PLANNED = "planned"
    NOT_APPLICABLE = "not applicable"
    #: Of a step only: the settings leave out that without which there is nothing to do.
    NOT_CONFIGURED = "not configured"
    INTERRUPTED = "interrupted"
    #: Of a run only: a plan for which a person must decide something; and one that found production as it should be.
    DECISION_NEEDED = "decision needed"
    NOTHING_TO_DO = "nothing to do"

    @property
    def is_good(self) -> bool:
        """Tell whether what ended like this came to its end, and well: all others are no good news."""
        return self in (Outcome.PASSED, Outcome.PLANNED, Outcome.NOTHING_TO_DO, Outcome.NOT_CONFIGURED)


@dataclass(frozen=True)
class Message:
    """Something sent to people (an announcement, a ticket): what it says, and how it is sent.

    `send` returns the receipt, in words. `head` is the journal's head hash that the text names, if it names one.
    """

    title: str
    text: str
    send: Callable[[], str]
    head: str = ""

    @property
    def members(self) -> dict[str, str]:
        """What the journal says of it."""
        return {"title": self.title, "text": self.text} | ({"head": self.head} if self.head else {})


def message_told(action: str, message: Mapping[str, Any]) -> str:
    """A message as people read it in a plan and in the record, from its `title` and `text` there."""
    return f"{action.replace('_', ' ')}: {message['title']}\n{message['text']}"


def not_known_yet(what: str) -> str:
    """What a planned message says in the place of `what`, which only the execution can know."""
    return f"[{what}, not known yet]"


def never() -> str | None:
    """Say that nothing has been done yet: for changes that must be carried out each time."""
    return None


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Call:
    """A change that no command on the host makes: a secret store is asked for it.

    `by_hand` is the command that does the same, `longest` the seconds that it may take; `make` makes it, and returns
    the receipt in words.
    """

    by_hand: str
    longest: float
    make: Callable[[], str]


@dataclass(frozen=True)
class Artifact:
    """A file that a change leaves on the production host: its path (`service:path` in a container), and what it is."""

    path: str
    what: str


@dataclass(frozen=True)
class Action:
    """A change, described before it is made.

    `name`, `resource` (what is changed), `variable` (of an env file), `old` and `new` (its value before and after) are
    for programs, `summary` is for people. `already` looks whether it is so already, and returns the evidence in words,
    or None. `leaves` are the files that nobody removes afterwards but a person, or a later change that `removes` those
    paths.
    """

    name: ActionName
    summary: str
    commands: tuple[Command, ...] = ()
    already: Callable[[], str | None] = never
    scope: Scope = Scope.PRODUCTION
    leaves: tuple[Artifact, ...] = ()
    removes: tuple[str, ...] = ()
    resource: str = ""
    variable: str | None = None
    old: str | None = None
    new: str | None = None
    #: Of holding traffic: for how many seconds a request waits at most; then the gateway refuses it.
    longest_wait: float | None = None
    #: Made before the commands.
    call: Call | None = None
    #: Sent behind the commands.
    message: Message | None = None
    #: What watches over the commands while they run.
    during: Callable[[], AbstractContextManager[None]] = nullcontext
    #: Puts on record what came of it, once it is done or was so already.
    record: Callable[[], None] = nothing
    #: What the settings leave out: then there is nothing to do.
    not_configured: Absent | None = None

    @property
    def for_people(self) -> bool:
        """Whether it is what people read: with several hosts it is done once."""
        return self.scope is Scope.PEOPLE

    @property
    def members(self) -> dict[str, Any]:
        """What the journal says of it, whatever comes of it."""
        found: dict[str, Any] = {"action": self.name, "summary": self.summary, "scope": self.scope}
        told = {
            "resource": self.resource or None, "variable": self.variable, "from": self.old, "to": self.new,
            "longest_wait": self.longest_wait,
        }  # fmt: skip
        found |= {name: value for name, value in told.items() if value is not None}
        if self.leaves or self.removes:
            found |= {"leaves": list(map(asdict, self.leaves)), "removes": list(self.removes)}
        return found

    @property
    def planned(self) -> dict[str, Any]:
        """What the journal says of how it is made."""
        told = {"message": self.message.members} if self.message else {}
        called = [self.call.by_hand] if self.call else []
        return {"commands": [*called, *map(str, self.commands)]} | told

    @property
    def does_nothing(self) -> bool:
        """Whether it is known already, in a plan too, that there is nothing to carry out."""
        return not (self.commands or self.call or self.message)

    @property
    def longest(self) -> float:
        """For how many seconds it may be at work."""
        return sum(command.deadline for command in self.commands) + (self.call.longest if self.call else 0)


def same_change(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """By what an `action` entry is told from those of other changes, in whichever run."""
    return entry.get("action"), entry.get("resource"), entry.get("variable"), entry.get("to")


@dataclass(frozen=True)
class Observation:
    """What one look saw: whether it is what was expected, and what it was, in words."""

    ok: bool
    seen: str
    #: It is not so, and waiting cannot make it so.
    final: bool = False
    #: Seconds after which it may be so although nothing happens; None when only an event can change it.
    again: float | None = None
    #: The key of the settings that has to change, where the look knows it.
    key: str = ""


@dataclass(frozen=True)
class Check:
    """Something that must be so within `deadline` seconds, looked at every `interval` seconds; 0 means one look.

    `next_step` tells what to do when it is not.
    """

    expected: str
    observe: Callable[[], Observation]
    next_step: str
    deadline: float = 0.0
    interval: float = 0.5
    #: Whether it looks at containers alone, so that the engine tells of every change: then it is looked at when the
    #: engine does, and at longer intervals.
    told_by_engine: bool = False
    #: The options with which a person decides that the run may go on. A plan notes that they are missing, and goes on.
    decided_by: tuple[str, ...] = ()
    #: Whether a person who knows better may accept that it is not so (`--override`). Never digests, schema, restore
    #: point and quarantine: there nobody knows better than the look.
    acceptable: bool = True
    #: Whether a person may vouch for it where it could not be looked at.
    vouchable: bool = True
    #: Whether it is about production as the changes leave it: behind changes that were only planned it is only planned.
    afterwards: bool = False
    #: Whether it is one look, in which each command waits for its own answer.
    one_look: bool = False
    #: Whether a failing release may look like this as well: the override is then offered before anything was changed.
    arguable: bool = False
    #: Whether it is about what people read: with several hosts it is looked at once.
    for_people: bool = False
    #: As of an Action: then there is nothing to look at.
    not_configured: Absent | None = None


def left_out(expected: str, absent: Absent) -> Check:
    """A look that is not made, since the settings leave out what it would be made at."""
    return Check(expected, lambda: Observation(ok=False, seen=absent.seen), absent.follows, not_configured=absent)


def recorded(expected: str, look: Callable[[], str], next_step: str = "", *, afterwards: bool = False) -> Check:
    """A look whose result goes on record: `look` puts it there, and returns it in words."""
    return Check(
        expected,
        lambda: Observation(ok=True, seen=look()),
        next_step,
        acceptable=False,
        vouchable=False,
        afterwards=afterwards,
        one_look=True,
    )
