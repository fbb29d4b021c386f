"""The members of a plan, as `--json` prints them and `--plan` reads them; docs/plan.md tells what each means."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: The number of this form; another one where a program that reads plans could misread it.
FORMAT: Literal[1] = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sign(StrEnum):
    """The sign of a change: added, changed, removed."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


class Change(_Part):
    """One thing that would change: a variable of a file, a service, the gate, a line in the quarantine.

    `states` are what it is now, what it is in between, and what it is in the end, as far as each is known; of what is
    added the last one alone.
    """

    sign: Sign
    what: str
    states: tuple[str, ...] = ()
    #: The folder on the host in which a copy of the file is kept as it is now; empty where none is.
    copy_in: str = ""
    #: Of several hosts, the one on which it would change; empty where there is one, and for what people read.
    on: str = ""


class Failed(_Part):
    """The release that runs and is to go: `why` says what of it was bad when it was `seen`.

    `since` is when the first container that still runs it was started (UTC, as `seen`).
    """

    tags: tuple[str, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    why: tuple[str, ...] = ()
    since: str = ""
    seen: str = ""


class HostFound(_Part):
    """One of several hosts: what runs there, and why there is nothing to do there (null where there is)."""

    name: str
    failed: Failed = Failed()
    nothing_to_do: str | None = None


class Other(_Part):
    """Another possible target, with the number that `--to` takes."""

    number: int
    tag: str


class Target(_Part):
    """The release to return to, or to go on with.

    `kind` is `validated`, `deployed` or `built`, empty where it was named and no list knows it, `time` when (UTC);
    `same_schema` tells whether its migrations are those from before the failed deploy (null: not known).
    """

    tag: str
    digests: dict[str, str] = Field(default_factory=dict)
    kind: str = ""
    time: str = ""
    same_schema: bool | None = None
    #: Whether a person named it, with `--to` or `--forward-fix`.
    named: bool = False
    others: tuple[Other, ...] = ()


class Migrations(_Part):
    """The verdict, the strategy that follows (null: not decided), the schema's revisions now and in the end."""

    verdict: str | None = None
    strategy: str | None = None
    schema_now: tuple[str, ...] = ()
    schema_then: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    #: What the strategy destroys; null where that was not asked.
    loss: tuple[str, ...] | None = None
    #: What could be relaxed of the schema so that nothing is lost; null where no bridge was found.
    bridge: tuple[str, ...] | None = None
    #: Why none was found; null where one was, or none is needed.
    no_bridge: str | None = None


class Switchover(_Part):
    """How the target takes the failed release's place: `beside` it, or `behind-closed-gate`, and why.

    `meanwhile` says what happens to traffic while the failed containers are taken out, or replaced: it is `held`,
    `paused`, or left `flowing`. `obstacles` are those that forbid `beside`, each in a word.
    """

    mode: str
    meanwhile: str
    why: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()


class Restore(_Part):
    """The dump that takes the live database's place, begun at `made` in pg_dump's words; that one is `kept_as`."""

    dump: str
    made: str
    database: str
    kept_as: str


class Decision(_Part):
    """What a person must decide: at which step, the options that decide it, on what, and other answers there are."""

    step: str
    text: str
    options: tuple[str, ...]
    about: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


class LeftOut(_Part):
    """A scenario that would be left out, and why, by the journal's word."""

    scenario: str
    why: str


class Stopped(_Part):
    """The step at which the plan stopped, the reason, and the next step."""

    step: str
    text: str
    outcome: str
    why: str
    helps: str = ""


class Interruption(_Part):
    """What the last `count` executions of the same way have cost: medians in seconds, null where none measured it.

    `since` and `until` are the days (UTC) of the oldest and the newest; `rehearsed` says that they were rehearsals,
    `held` that requests waited for as long as traffic was `paused`.
    """

    count: int
    since: str
    until: str
    without_service: float | None = None
    paused: float | None = None
    rehearsed: bool = False
    held: bool = False


class Following(_Part):
    """What to type next; `command` is empty where nothing would lead on."""

    why: str
    command: str = ""


class Basis(_Part):
    """What the plan rests on beyond its facts: what of it has moved makes the plan void.

    `env_file` is the SHA-256 of the env file; `together` what goes with the application; `text` the hashes of the
    features, the code and the settings; `scenarios` those that were planned.
    """

    env_file: str = ""
    together: dict[str, dict[str, str]] = Field(default_factory=dict)
    text: dict[str, str] = Field(default_factory=dict)
    scenarios: tuple[str, ...] = ()


class Plan(_Part):
    """A plan, from its journal."""

    format: Literal[1] = FORMAT
    incident: str
    #: The hash of its journal's last entry.
    head: str
    #: When it was begun (UTC), and by whom.
    made: str
    by: str = ""
    kind: str
    project: str
    directory: str
    host: str | None = None
    #: Where there are several, each with what runs there, in their order; the first one's stands in `failed` too.
    hosts: tuple[HostFound, ...] = ()
    asked_for: dict[str, Any] = Field(default_factory=dict)
    #: `planned`, `decision needed`, `nothing to do`, `failed` or `interrupted`.
    outcome: str
    stopped: Stopped | None = None
    failed: Failed = Failed()
    target: Target | None = None
    migrations: Migrations = Migrations()
    switch: str | None = None
    #: Null where nothing is switched, or where it is not decided.
    switchover: Switchover | None = None
    #: What is restored; null for all but a restore.
    restore: Restore | None = None
    nothing_to_do: str | None = None
    changes: tuple[Change, ...] = ()
    #: How many checks would be made behind the changes.
    checks: int = 0
    decisions: tuple[Decision, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    #: Of sources of releases that could not be asked: which, and why.
    not_asked: dict[str, str] = Field(default_factory=dict)
    #: What differs from the configuration that the target was validated with: how many keys; null is not known.
    configuration_differs: int | None = None
    interruption: Interruption | None = None
    following: Following | None = None
    basis: Basis = Basis()
    #: As in the journal's entry `plan`: facts in words, and every step with its changes and their commands.
    facts: dict[str, Any] = Field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = ()

    def as_kept(self) -> dict[str, Any]:
        """Return it as an execution's journal keeps it: the members of the entry `plan`."""
        kept = ("incident", "head", "made", "by", "asked_for", "outcome", "facts", "steps")
        return self.model_dump(mode="json", include=set(kept))
