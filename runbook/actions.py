"""What steps are made of: a change that converges when repeated, and an expectation with a deadline."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from runbook.hosts.command import Command

_Function = TypeVar("_Function", bound=Callable[..., object])
_CHANGES = "__changes_production__"


def changes(function: _Function) -> _Function:
    """Declare that the step of this function makes a change: a When, and only a When, is one."""
    setattr(function, _CHANGES, True)
    return function


def is_change(function: Callable[..., object]) -> bool:
    """Tell whether a step's function is declared a change."""
    return getattr(function, _CHANGES, False) is True


class Scope(StrEnum):
    """What a change touches.

    `production`: what runs, or what the next start would read. `images`: images on the host, which nothing runs yet; a
    plan fetches them. `notes`: the runbook's own files on the host; a validation writes them. `people`: what they read.
    """

    PRODUCTION = "production"
    IMAGES = "images"
    NOTES = "notes"
    PEOPLE = "people"


class Outcome(StrEnum):
    """How a step, a scenario or an incident can end. There is no other way."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    PLANNED = "planned"
    NOT_APPLICABLE = "not applicable"
    INTERRUPTED = "interrupted"
    #: Of a run only: a plan for which a person must decide something; and one that found production as it should be.
    DECISION_NEEDED = "decision needed"
    NOTHING_TO_DO = "nothing to do"

    @property
    def is_good(self) -> bool:
        """Tell whether what ended like this came to its end, and well: all others are no good news."""
        return self in (Outcome.PASSED, Outcome.PLANNED, Outcome.NOTHING_TO_DO)


@dataclass(frozen=True)
class Message:
    """Something sent that is not a command (an announcement, a ticket): what it says, and how it is sent.

    `send` returns the receipt, in words.
    """

    text: str
    send: Callable[[], str]

    def __str__(self) -> str:
        return self.text


def not_known_yet(what: str) -> str:
    """What a planned message says in the place of `what`, which only the execution can know."""
    return f"[{what}, not known yet]"


def never() -> str | None:
    """Say that nothing has been done yet: for changes that must be carried out each time."""
    return None


@dataclass(frozen=True)
class Artifact:
    """A file that a change leaves on the production host: its path (`service:path` in a container), and what it is."""

    path: str
    what: str


@dataclass(frozen=True)
class Action:
    """A change, described before it is made.

    `already` looks whether it is so already, and returns the evidence in words, or None. `leaves` are the files that
    nobody removes afterwards but a person, or a later change that `removes` those paths.
    """

    summary: str
    actions: tuple[Command | Message, ...]
    already: Callable[[], str | None] = never
    scope: Scope = Scope.PRODUCTION
    leaves: tuple[Artifact, ...] = ()
    removes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """What one look saw: whether it is what was expected, and what it was, in words."""

    ok: bool
    seen: str
    #: It is not so, and waiting cannot make it so.
    final: bool = False


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
    #: The options with which a person decides that the run may go on. A plan notes that they are missing, and goes on.
    decided_by: tuple[str, ...] = ()
    #: Whether a person who knows better may accept that it is not so (`--override`). Never digests, schema, restore
    #: point and quarantine: there nobody knows better than the look.
    acceptable: bool = True
    #: Whether a person may vouch for it where it could not be looked at.
    vouchable: bool = True
    #: Whether a failing release may look like this as well: the override is then offered before anything was changed.
    arguable: bool = False
