"""The members of a plan, as `--json` prints them and `--plan` reads them. docs/plan.md explains them."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: The version of the format. It changes if a program that reads plans could misread the new form.
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

    `states` are its states now, in between, and at the end, as far as they are known. For an added thing, only the
    last one.
    """

    sign: Sign
    what: str
    states: tuple[str, ...] = ()
    #: The folder on the host that keeps a copy of the file as it is now. Empty if there is no copy.
    copy_in: str = ""
    #: The host on which it would change. Empty if there is one host, and for messages to people.
    on: str = ""


class Failed(_Part):
    """The release that runs. `why` says what was wrong with it when it was `seen`.

    `since` is when the first of its running containers was started. Both times are UTC.
    """

    tags: tuple[str, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    why: tuple[str, ...] = ()
    since: str = ""
    seen: str = ""


class HostFound(_Part):
    """One of several hosts: what runs there, and why there is nothing to do there (null: there is)."""

    name: str
    failed: Failed = Failed()
    nothing_to_do: str | None = None


class Other(_Part):
    """Another possible target, with the number that `--to` takes."""

    number: int
    tag: str


class Target(_Part):
    """The release to return to, or to roll forward to.

    `kind` is `validated`, `deployed` or `built`, and `time` is when (UTC). `kind` is empty if a person named the
    release and no list knows it. `same_schema` is whether its migrations are those from before the failed deploy
    (null: not known).
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
    """The verdict, the strategy (null: not decided), and the schema's revisions now and at the end."""

    verdict: str | None = None
    strategy: str | None = None
    schema_now: tuple[str, ...] = ()
    schema_then: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    #: What the strategy destroys (null: not asked).
    loss: tuple[str, ...] | None = None
    #: The rules of the schema to relax so that nothing is lost (null: no bridge was found).
    bridge: tuple[str, ...] | None = None
    #: Why no bridge was found (null: one was found, or none is needed).
    no_bridge: str | None = None


class Switchover(_Part):
    """How the target replaces the failed release: `beside` it, or `behind-closed-gate`, and why.

    `meanwhile` says what happens to traffic while the failed containers are taken out or replaced: it is `held`,
    `paused`, or left `flowing`. `obstacles` are the reasons against `beside`, in one word each.
    """

    mode: str
    meanwhile: str
    why: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()


class Restore(_Part):
    """The dump that replaces the live `database`. `made` is pg_dump's time; the live database is `kept_as`."""

    dump: str
    made: str
    database: str
    kept_as: str


class Decision(_Part):
    """A decision for a person: at which step, the options that decide it, what it is about, and other answers."""

    step: str
    text: str
    options: tuple[str, ...]
    about: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


class LeftOut(_Part):
    """A scenario that would be left out, and why, in the journal's words."""

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
    """The cost of the last `count` executions of the same kind: medians in seconds (null: none measured it).

    `since` and `until` are the days (UTC) of the oldest and the newest. `rehearsed` is whether they were rehearsals.
    `held` is whether requests waited while traffic was `paused`.
    """

    count: int
    since: str
    until: str
    without_service: float | None = None
    paused: float | None = None
    rehearsed: bool = False
    held: bool = False


class Following(_Part):
    """What to type next. `command` is empty if no command would help."""

    why: str
    command: str = ""


class Basis(_Part):
    """What the plan is based on besides its facts. If any of it has changed, the plan is void.

    `env_file` is the SHA-256 of the env file. `together` has the other services that the switch affects, by effect.
    `text` has the hashes of the features, the code and the settings. `scenarios` are those that were planned.
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
    #: When the plan was begun (UTC), and by whom.
    made: str
    by: str = ""
    kind: str
    project: str
    directory: str
    host: str | None = None
    #: If there are several hosts: each, in order, with what runs there. `failed` has that of the first.
    hosts: tuple[HostFound, ...] = ()
    asked_for: dict[str, Any] = Field(default_factory=dict)
    #: `planned`, `decision needed`, `nothing to do`, `failed` or `interrupted`.
    outcome: str
    stopped: Stopped | None = None
    failed: Failed = Failed()
    target: Target | None = None
    migrations: Migrations = Migrations()
    switch: str | None = None
    #: Null if nothing is switched, or if it is not decided.
    switchover: Switchover | None = None
    #: What is restored. Null except for a restore.
    restore: Restore | None = None
    nothing_to_do: str | None = None
    changes: tuple[Change, ...] = ()
    #: The number of checks that would follow the changes.
    checks: int = 0
    decisions: tuple[Decision, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    #: The sources of releases that could not be asked, and why.
    not_asked: dict[str, str] = Field(default_factory=dict)
    #: The number of keys that differ from the configuration that the target was validated with (null: not known).
    configuration_differs: int | None = None
    interruption: Interruption | None = None
    following: Following | None = None
    basis: Basis = Basis()
    #: As in the journal entry `plan`: facts in words, and every step with its changes and their commands.
    facts: dict[str, Any] = Field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = ()

    def as_kept(self) -> dict[str, Any]:
        """Return the members of the entry `plan` in the journal of an execution."""
        kept = ("incident", "head", "made", "by", "asked_for", "outcome", "facts", "steps")
        return self.model_dump(mode="json", include=set(kept))
