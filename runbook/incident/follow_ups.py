"""What is left to do when an incident is over: what people were told, what was left changed, kept and unfinished."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Announcement:
    """What the incident channel was told.

    `state` is `sent`, `planned`, or `begun` when nobody knows whether it went out. `sent` is when (UTC), empty when
    it was not; `head` the journal's head hash that it named, empty when it named none yet.
    """

    title: str
    text: str
    state: str
    sent: str = ""
    receipt: str = ""
    head: str = ""


@dataclass(frozen=True)
class Ticket:
    """The follow-up ticket. `state` as of an announcement, or `found` when it was there already.

    `address` is an http or https address, empty when the tracker gave none that may be linked to.
    """

    title: str
    text: str
    state: str
    opened: str = ""
    receipt: str = ""
    address: str = ""


@dataclass(frozen=True)
class SwitchOff:
    """A kill switch that was off when production was last looked at.

    `owner` turns it on again, empty when the settings name nobody. `since` is when this incident turned it off (UTC),
    empty when it was off before. `remind_after` is as the settings say it, `due` when that is over (UTC), counted from
    `since`, or else from the last look; both are empty without a reminder. `command` turns it on again.
    """

    name: str
    variable: str
    value: str
    owner: str = ""
    since: str = ""
    remind_after: str = ""
    due: str = ""
    command: str = ""


@dataclass(frozen=True)
class Quarantined:
    """A release that post-deploy validation refuses from now on: its digests by service, since when, in which file."""

    tag: str
    digests: Mapping[str, str]
    since: str
    file: str


@dataclass(frozen=True)
class Step:
    """One step of a how-to: why in words, and the command as a person types it on the production host."""

    why: str
    command: str


@dataclass(frozen=True)
class RestorePoint:
    """A dump on the production host: its size in bytes, its hash, and the steps that would bring it back."""

    path: str
    size: int
    sha256: str
    restore: tuple[Step, ...] = ()


@dataclass(frozen=True)
class LeftFile:
    """A file that the incident left on the production host, and what it is in words."""

    path: str
    what: str


@dataclass(frozen=True)
class ToDo:
    """Something that a person must do: in words, and what to type for it, if anything."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class FollowUps:
    """Everything that is left of an incident, most urgent first in `to_do`."""

    to_do: tuple[ToDo, ...] = ()
    ticket: Ticket | None = None
    announcement: Announcement | None = None
    switches_off: tuple[SwitchOff, ...] = ()
    quarantined: tuple[Quarantined, ...] = field(default=())
    restore_points: tuple[RestorePoint, ...] = ()
    left_files: tuple[LeftFile, ...] = ()
