"""The parts of steps: actions, which converge when repeated, and checks, which have a deadline."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from runbook.hosts.command import Command
from runbook.settings.absent import Absent


class Scope(StrEnum):
    """The scope of a change.

    `production`: running containers and their data, or files that the next start reads. `images`: images on the host
    that nothing runs yet; a plan fetches them. `notes`: the runbook's own files on the host; a validation writes them.
    `people`: announcements, tickets and other texts for people.
    """

    PRODUCTION = "production"
    IMAGES = "images"
    NOTES = "notes"
    PEOPLE = "people"


class ActionName(StrEnum):
    """The kind of a change, as the journal and its readers identify it."""

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

    STRATEGY = "strategy"  # it belongs to another strategy
    SWITCH = "switch"  # it belongs to another switch mode
    NEEDS = "needs"  # a scenario that it needs did not pass
    NOTHING_TO_DO = "nothing to do"
    PASSED = "passed"  # it passed earlier in this incident
    PAST = "past"  # the incident is over, and the scenario did not finish

    @property
    def settled(self) -> bool:
        """Whether the scenario no longer has to run in this incident."""
        return self is not LeftOut.NEEDS


class Question(StrEnum):
    """A decision of an incident, made by the runbook or by a person."""

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
    """Every outcome of a step, a scenario or an incident."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    PLANNED = "planned"
    NOT_APPLICABLE = "not applicable"
    #: Steps only: the settings lack what the step needs, so there is nothing to do.
    NOT_CONFIGURED = "not configured"
    INTERRUPTED = "interrupted"
    #: Runs only: a plan that needs a person's decision, and a run that found production as it should be.
    DECISION_NEEDED = "decision needed"
    NOTHING_TO_DO = "nothing to do"

    @property
    def is_good(self) -> bool:
        """Whether it finished successfully. Every other outcome is bad news."""
        return self in (Outcome.PASSED, Outcome.PLANNED, Outcome.NOTHING_TO_DO, Outcome.NOT_CONFIGURED)


@dataclass(frozen=True)
class Message:
    """A message to people (an announcement, a ticket): its text, and the function that sends it.

    `send` returns the receipt, in words. `head` is the journal's head hash if the text contains it.
    """

    title: str
    text: str
    send: Callable[[], str]
    head: str = ""

    @property
    def members(self) -> dict[str, str]:
        """The message's members in the journal."""
        return {"title": self.title, "text": self.text} | ({"head": self.head} if self.head else {})


def message_told(action: str, message: Mapping[str, Any]) -> str:
    """Return a message as a plan and the record show it, from its `title` and `text` in the journal."""
    return f"{action.replace('_', ' ')}: {message['title']}\n{message['text']}"


def not_known_yet(what: str) -> str:
    """Return the placeholder for `what` in a planned message; only the execution knows the value."""
    return f"[{what}, not known yet]"


def never() -> str | None:
    """Return None: the change is not done yet. For changes that are made every time."""
    return None


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Call:
    """A change made by a request to a secret store, not by a command on the host.

    `by_hand` is the equivalent command. `longest` is its time limit in seconds. `make` makes the change and returns the
    receipt, in words.
    """

    by_hand: str
    longest: float
    make: Callable[[], str]


@dataclass(frozen=True)
class Artifact:
    """A file that a change leaves on the host: its path (`service:path` in a container) and its description."""

    path: str
    what: str


@dataclass(frozen=True)
class Action:
    """A change, described before it is made.

    Programs read `name`, `resource` (the changed thing), `variable` (of an env file), `old` and `new` (the values
    before and after). People read `summary`. `already` returns the evidence, in words, that the change is already in
    place, or None. `leaves` lists the files that stay until a person, or a later change with their paths in `removes`,
    removes them.
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
    #: For holding traffic: the seconds after which the gateway refuses a held request.
    longest_wait: float | None = None
    #: Runs before the commands.
    call: Call | None = None
    #: Sent after the commands.
    message: Message | None = None
    #: The context in which the commands run, for example a watch.
    during: Callable[[], AbstractContextManager[None]] = nullcontext
    #: Records the result when the change is made or was already in place.
    record: Callable[[], None] = nothing
    #: The missing part of the settings, if any: then there is nothing to do.
    not_configured: Absent | None = None

    @property
    def for_people(self) -> bool:
        """Whether it is for people: with several hosts it is made once."""
        return self.scope is Scope.PEOPLE

    @property
    def members(self) -> dict[str, Any]:
        """Its members in the journal, whatever its outcome."""
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
        """The journal's members for its commands and message."""
        told = {"message": self.message.members} if self.message else {}
        called = [self.call.by_hand] if self.call else []
        return {"commands": [*called, *map(str, self.commands)]} | told

    @property
    def does_nothing(self) -> bool:
        """Whether there is nothing to execute, which a plan knows too."""
        return not (self.commands or self.call or self.message)

    @property
    def longest(self) -> float:
        """The time limit of the change, in seconds."""
        return sum(command.deadline for command in self.commands) + (self.call.longest if self.call else 0)


def same_change(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the members that identify the change of an `action` entry, across runs."""
    return entry.get("action"), entry.get("resource"), entry.get("variable"), entry.get("to")


@dataclass(frozen=True)
class Observation:
    """The result of one look: whether it matches the expectation, and what was seen, in words."""

    ok: bool
    seen: str
    #: The expectation is not met, and waiting cannot change that.
    final: bool = False
    #: Seconds after which it may be met without an event; None when only an event can change it.
    again: float | None = None
    #: The settings key that must change, if known.
    key: str = ""


@dataclass(frozen=True)
class Check:
    """An expectation that must be met within `deadline` seconds, checked every `interval` seconds; 0 means one look.

    `next_step` is the advice if it is not met.
    """

    expected: str
    observe: Callable[[], Observation]
    next_step: str
    deadline: float = 0.0
    interval: float = 0.5
    #: Whether it looks only at containers. The engine reports their changes, so it is checked at every event, and
    #: otherwise at longer intervals.
    told_by_engine: bool = False
    #: The options with which a person decides that the run may continue. A plan records that they are missing, and
    #: continues.
    decided_by: tuple[str, ...] = ()
    #: Whether a person may accept a failure (`--override`). False for digests, schema, restore point and quarantine:
    #: there no person knows better than the check.
    acceptable: bool = True
    #: Whether a person may vouch for it if it could not be checked.
    vouchable: bool = True
    #: Whether it checks the result of the changes: after changes that were only planned it is only planned.
    afterwards: bool = False
    #: Whether it is a single look in which each command has its own deadline.
    one_look: bool = False
    #: Whether a failing release alone can cause the failure: the override is then offered before anything is changed.
    arguable: bool = False
    #: Whether it is for people: with several hosts it is checked once.
    for_people: bool = False
    #: As in Action: then there is nothing to check.
    not_configured: Absent | None = None


def left_out(expected: str, absent: Absent) -> Check:
    """Return a check that is `not configured`, because the settings lack the part that it would look at."""
    return Check(expected, lambda: Observation(ok=False, seen=absent.seen), absent.follows, not_configured=absent)


def recorded(expected: str, look: Callable[[], str], next_step: str = "", *, afterwards: bool = False) -> Check:
    """Return a check that always passes and records its result: `look` records it and returns it in words."""
    return Check(
        expected,
        lambda: Observation(ok=True, seen=look()),
        next_step,
        acceptable=False,
        vouchable=False,
        afterwards=afterwards,
        one_look=True,
    )
