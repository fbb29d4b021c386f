"""The facts of an incident, typed; written to the journal and read from it here alone."""

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runbook.errors import Inconclusive, RunbookError
from runbook.journal.journal import Entry
from runbook.production.configuration import Difference
from runbook.production.gate_state import contradiction, describe_gate
from runbook.production.switchover.decision import Meanwhile, Obstacle, SwitchMode
from runbook.release import ImageName, Release


class Strategy(StrEnum):
    """The strategies: only the application, the schema first, or forward with a release that mends the schema.

    With a bridge the schema stays, relaxed so that the target's code can use it.
    """

    IMAGE_ONLY = "image-only"
    BRIDGE = "bridge"
    DOWNGRADE = "downgrade"
    FORWARD_FIX = "forward-fix"


_T = TypeVar("_T")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Unknown(_Part):
    """What could not be looked at, and why."""

    unknown: str

    @classmethod
    def of(cls, error: RunbookError) -> Self:
        """Return what is not known because of `error`."""
        return cls(unknown=error.seen)

    def __str__(self) -> str:
        return f"unknown: {self.unknown}"


_NOT_LOOKED_AT = Unknown(unknown="not looked at")


class ContainerFact(_Part):
    """One container; `tag` and `digest` are its image's, where its service is rolled back."""

    id: str
    name: str
    service: str
    image_id: str = ""
    image_name: str = ""
    state: str = ""
    health: str = "none"
    restarts: int = 0
    started_at: str = ""
    created: str = ""
    tag: str = ""
    digest: str = ""


class PublicAnswer(_Part):
    """Who answered at the public URL (`runbook.production.gate_state.By`), and what was seen."""

    by: str
    seen: str


class SwitchPosition(_Part):
    """A kill switch: its variable and value, whether that is `on`, `off` or `other`, its owner and reminder."""

    variable: str
    value: str
    state: str
    owner: str | None = None
    remind_after: str | None = None


class TurnedSwitch(SwitchPosition):
    """The kill switch that an emergency turns, and the position that it turns it to."""

    name: str


class Origin(_Part):
    """The failed release: its tags, its digests by service, and the errors in its logs by signature."""

    tags: tuple[str, ...]
    digests: dict[str, str] = Field(default_factory=dict)
    log_errors: Unknown | dict[str, int] = Field(default_factory=dict)


class Snapshot(_Part):
    """Production at one moment, `at` (UTC). `digests` are by service."""

    at: str = ""
    containers: tuple[ContainerFact, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    env_file: dict[str, str] = Field(default_factory=dict)
    switches: dict[str, SwitchPosition] = Field(default_factory=dict)
    revisions: Unknown | tuple[str, ...] = Field(default=_NOT_LOOKED_AT, alias="schema")
    readiness: Unknown | dict[str, Any] = _NOT_LOOKED_AT
    gate: Unknown | str = _NOT_LOOKED_AT
    public: PublicAnswer | None = None
    log_errors: Unknown | dict[str, int] = _NOT_LOOKED_AT

    def as_origin(self) -> Origin:
        """Return the release that ran as the one that failed."""
        return Origin(tags=self.tags, digests=self.digests, log_errors=self.log_errors)

    @property
    def gate_in_words(self) -> str:
        """The traffic gate, in words for the terminal."""
        public = (self.public.by, self.public.seen) if self.public else None
        return str(self.gate) if isinstance(self.gate, Unknown) else describe_gate(self.gate, public)

    @property
    def keeps_back(self) -> bool:
        """Tell whether traffic is paused: the gate says closed, or held, and nothing contradicts it."""
        by, seen = (self.public.by, self.public.seen) if self.public else ("", "")
        return self.gate in ("closed", "held") and contradiction(str(self.gate), by, seen) is None

    @property
    def stands_still(self) -> bool:
        """Tell whether every container of the application is stopped."""
        return all(each.state in ("exited", "created") for each in self.containers if each.service in self.digests)


class ReleaseFact(_Part):
    """A release on its digests."""

    tag: str
    images: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, release: Release) -> Self:
        """Return `release` as the journal has it."""
        return cls.model_validate(release.facts())

    def release(self) -> Release:
        """Return the release that this was written from."""
        images = {service: ImageName.parse(image) for service, image in self.images.items()}
        return Release(self.tag, images, self.digests)


class RunningRelease(ReleaseFact):
    """The release that was validated, and the ids of the containers that it was validated in."""

    containers: tuple[str, ...] = ()


class Together(_Part):
    """What follows the application, by service, and what differed from the Compose files before, by container.

    `restored` are the containers of other services that differ once the target's configuration is restored.
    """

    recreated: dict[str, str] = Field(default_factory=dict)
    left: dict[str, str] = Field(default_factory=dict)
    differed: dict[str, str] = Field(default_factory=dict)
    restored: dict[str, str] = Field(default_factory=dict)
    unknown: dict[str, str] = Field(default_factory=dict)


class ConfigurationDrift(_Part):
    """What differs from the configuration that release `tag` was validated with, at `validated_at` (UTC)."""

    tag: str
    validated_at: str = ""
    differences: Unknown | tuple[Difference, ...]

    @property
    def unknown(self) -> str:
        """Why it is not known; empty if it is."""
        return self.differences.unknown if isinstance(self.differences, Unknown) else ""


class FileToRestore(_Part):
    """A file that goes back: its path as Compose is called with it, and its `place` behind all links on the host.

    `was` is the SHA-256 of what it held before, `kept` where that is kept on the host.
    """

    path: str
    place: str
    was: str
    kept: str


class ConfigurationToRestore(_Part):
    """The configuration that release `tag` was validated with, at `validated_at` (UTC), and what it gives back.

    `compose_files` are the SHA-256 of all of them by their path, `env_file` that of the env file; `files` are those
    that go back, the env file last. `variables` are the names whose values do, `left` the kill switches that stay as
    they are now. `remaining` is what differs all the same.
    """

    tag: str
    validated_at: str
    compose_files: dict[str, str]
    env_file: str
    files: tuple[FileToRestore, ...] = ()
    variables: tuple[str, ...] = ()
    left: dict[str, str] = Field(default_factory=dict)
    remaining: tuple[Difference, ...] = ()

    @property
    def copies(self) -> tuple[str, ...]:
        """The SHA-256 of each copy that it is made of."""
        return (self.env_file, *self.compose_files.values())

    @property
    def bring_back(self) -> tuple[str, ...]:
        """The commands that bring back, on the production host, what was there before."""
        return tuple(shlex.join(("cp", "--preserve=all", "--", each.kept, each.place)) for each in self.files)


class VerdictFact(_Part):
    """The verdict on the migrations, and what it rests on.

    `no_way_back` says why the downgrade certainly does not lead back to the target's schema; empty where it may.
    `upgrade_sql` and `downgrade_sql` are what both ran on a copy of the schema, in the place of SQL that the image did
    not tell; None where it told it, or where what they run depends on rows, of which the copy has none.
    `no_bridge` says why the schema cannot be relaxed for the target; empty where it can, or need not be.
    `forward_fix`: a release could go on from here; not by the application's own commands, nor before a deploy.
    """

    verdict: str
    evidence: tuple[str, ...] = ()
    no_way_back: str = ""
    no_bridge: str = ""
    forward_fix: bool = True
    upgrade_sql: str | None = None
    downgrade_sql: str | None = None


class Relaxed(_Part):
    """One thing of the schema that a bridge relaxes: `what` in words, and the SQL that lifts it and makes it again.

    `rows` lists the rows which, once written, would keep it from being made again; empty where none can.
    """

    what: str
    up: tuple[str, ...]
    down: tuple[str, ...]
    rows: str = ""


class Touched(_Part):
    """An entry of the catalog that a bridge changes: what it says without (None: not there) and with the bridge."""

    kind: str
    name: str
    without: str | None = None
    built: str | None = None


class Bridge(_Part):
    """What relaxes the schema for the target without touching a row, tried on a copy of the schema both ways."""

    relaxed: tuple[Relaxed, ...]
    touched: tuple[Touched, ...]

    @property
    def up(self) -> tuple[str, ...]:
        """The statements that build it."""
        return tuple(sql for each in self.relaxed for sql in each.up)

    @property
    def down(self) -> tuple[str, ...]:
        """The statements that take it away again."""
        return tuple(sql for each in reversed(self.relaxed) for sql in each.down)

    @property
    def told(self) -> tuple[str, ...]:
        """What it relaxes, in words."""
        return tuple(each.what for each in self.relaxed)


@dataclass(frozen=True)
class DatabaseState:
    """The database at one moment: its snapshot's id, and a hash over the rows of every table; empty where unknown."""

    snapshot: str = ""
    rows: str = ""


@dataclass(frozen=True)
class Loss:
    """What would be lost. At most `rows` rows hold values in it now; None when that is not known.

    `what` names it in words, the same each time the same SQL is looked at.
    """

    what: str
    rows: int | None

    def __str__(self) -> str:
        return f"{self.what}: {'an unknown number of' if self.rows is None else self.rows} rows hold values"


class ObstacleFact(_Part):
    """What keeps the target from coming up beside the failed release, and what was seen of it."""

    obstacle: Obstacle
    seen: str


class Switchover(_Part):
    """How the target takes the failed release's place, why not beside it, and what happens to traffic meanwhile.

    `numbers` says how many containers each service that comes up beside had before; `in_turn` are the other services.
    """

    mode: SwitchMode
    meanwhile: Meanwhile = Meanwhile.PAUSED
    reasons: tuple[ObstacleFact, ...] = ()
    numbers: dict[str, int] = Field(default_factory=dict)
    in_turn: tuple[str, ...] = ()


class AcceptedLoss(_Part):
    """The loss that a person accepted by the name of `revision`; `state` where a number of rows was not known."""

    revision: str
    losses: tuple[Loss, ...]
    state: DatabaseState = DatabaseState()


class RestoreStep(_Part):
    """One step of restoring: why, and the command."""

    why: str
    command: str


class HowToRestore(_Part):
    """The steps that restore a dump beside the live database, and those that put it in its place."""

    beside: tuple[RestoreStep, ...] = ()
    instead: tuple[RestoreStep, ...] = ()


class RestorePointFact(_Part):
    """A dump on the production host: path, size in bytes, SHA-256, and how to restore it."""

    path: str
    size: int
    sha256: str
    restore: HowToRestore = HowToRestore()
    state: DatabaseState = DatabaseState()


class RowsOf(_Part):
    """How many rows a table holds in the restored database, and in the one that was live; None where it is not."""

    table: str
    restored: int | None
    before: int | None


class RestoredFact(_Part):
    """A dump that takes the live database's place: which, its revisions, and under which name that one is kept.

    `size` is in bytes; `made` is when the dump was begun, in pg_dump's words. `rows` are counted when it has taken that
    place. `start` is what is typed to serve users from it, `remove` what removes the database that is kept.
    """

    path: str
    sha256: str
    size: int | None = None
    made: str = ""
    database: str
    kept_as: str
    revisions: tuple[str, ...] = ()
    rows: tuple[RowsOf, ...] = ()
    start: str = ""
    remove: str = ""


class SchemaBefore(_Part):
    """The schema before a migration was begun: its revisions, and the rows of its catalog (kind, name, detail)."""

    revisions: tuple[str, ...]
    catalog: tuple[tuple[str, str, str], ...]


class HalfWay(_Part):
    """Where a migration stopped that failed: the revisions by now, and those that it began at and was to reach.

    `changed` are the differences of the catalog from before it began, `missing` those from the schema that it was to
    reach; None where that is not known. `way_on` and `way_back` are commands.
    """

    direction: str
    revisions: tuple[str, ...]
    began: tuple[str, ...]
    to: str
    changed: tuple[str, ...] | None
    missing: tuple[str, ...] | None = None
    way_on: str = ""
    way_back: str = ""

    @property
    def untouched(self) -> bool:
        """Tell whether the schema surely is as it was before the migration."""
        return self.changed == () and set(self.revisions) == set(self.began)

    @property
    def stands_between(self) -> bool:
        """Tell whether the schema is at no revision: it has changed, or may have, and says that it is as before."""
        return not self.untouched and set(self.revisions) == set(self.began)


class KeptRows(_Part):
    """The rows that a migration destroys, kept by themselves in a file on the host, as SQL that puts them back.

    `kept` says what is in it, `left_out` what only the restore point has, and why; `put_back` is the command.
    """

    path: str
    sha256: str
    kept: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    put_back: str = ""


class QuarantineFact(_Part):
    """What is in quarantine since this incident, and the file on the host that says so."""

    tag: str
    digests: dict[str, str]
    since: str
    file: str


class Override(_Part):
    """A step that a person vouches for: who, why, and when (UTC)."""

    by: str
    because: str
    at: str = ""


class BeginAnew(_Part):
    """Why no `--resume` leads on any more, and the options of a plan that would."""

    why: str
    options: tuple[str, ...] = ()


class UnderWay(_Part):
    """The rollback of another incident that was found under way; whether its record lies beside this one."""

    incident: str
    since: str
    target: str
    recorded_here: bool = False


class Facts(BaseModel):
    """The facts of one incident, each None until it is found out.

    In the journal a fact has the name that stands here, with blanks for underscores.

    >>> facts = Facts()
    >>> facts.put("strategy", "image-only")
    'image-only'
    >>> facts.strategy
    <Strategy.IMAGE_ONLY: 'image-only'>
    """

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", " "), validate_assignment=True)

    overrides: dict[str, Override] = Field(default_factory=dict)
    before: Snapshot | None = None
    first_seen: Snapshot | None = None
    found_again: Snapshot | None = None
    after: Unknown | Snapshot | None = None
    open_rollback: UnderWay | None = None
    origin: Origin | None = None
    target: ReleaseFact | None = None
    nothing_to_do: str | None = None
    together: Together | None = None
    configuration_drift: ConfigurationDrift | None = None
    #: With `--with-configuration` only.
    configuration_to_restore: ConfigurationToRestore | None = None
    revisions: tuple[str, ...] | None = Field(default=None, alias="schema")
    revisions_found_again: tuple[str, ...] | None = Field(default=None, alias="schema found again")
    #: What an image tells of its migrations (`runbook.migrations.image.report`); failed: None where there is no range.
    target_migrations: dict[str, Any] | None = None
    failed_migrations: dict[str, Any] | None = None
    verdict: VerdictFact | None = None
    #: Proposed where one was found, whatever the strategy is.
    bridge: Bridge | None = None
    strategy: Strategy | None = None
    switchover: Switchover | None = None
    loss: tuple[str, ...] | None = None
    loss_accepted: AcceptedLoss | None = None
    restore_point: RestorePointFact | None = None
    kept_rows: KeptRows | None = None
    schema_before: SchemaBefore | None = None
    half_way: HalfWay | None = None
    #: Known before any change, and without rows.
    to_restore: RestoredFact | None = None
    restored: RestoredFact | None = None
    switch: TurnedSwitch | None = None
    #: The follow-up ticket's address.
    ticket: str | None = None
    quarantined: QuarantineFact | None = None
    running: RunningRelease | None = None
    #: Of a run before a deploy: the release that would be deployed over what runs now, which is the target.
    release_to_deploy: ReleaseFact | None = None
    undecided: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    begin_anew: BeginAnew | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry], only: Collection[str] | None = None) -> Self:
        """Return the facts that journal entries tell, the newest word on each; those named in `only`, if given.

        What is not as a fact of that name is written counts as not on record.
        """
        found = cls()
        for entry in entries:
            if entry["kind"] == "fact" and (only is None or entry["name"] in only):
                try:
                    found.put(str(entry["name"]), entry["value"])
                except (ValidationError, KeyError):
                    continue
        return found

    def put(self, name: str, value: Any) -> Any:
        """Set the fact that the journal calls `name`, and return it in JSON's own types.

        Raises KeyError when there is no such fact, and pydantic.ValidationError when the value is none of it.
        """
        member = _MEMBERS[name]
        setattr(self, member, value)
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, include={member})[name]

    def on_record(self, member: str) -> bool:
        """Tell whether this fact was found out, also where it is None."""
        return member in self.model_fields_set

    def drop(self, *members: str) -> None:
        """Forget these facts."""
        for member in members:
            setattr(self, member, type(self).model_fields[member].get_default(call_default_factory=True))
            self.model_fields_set.discard(member)

    @property
    def way(self) -> str:
        """The way by which an incident of its kind is compared with others; empty where it is not decided."""
        if self.switch:
            return "emergency"
        if not self.strategy or self.switchover is None:
            return self.strategy or ""
        beside = self.switchover.mode is SwitchMode.BESIDE
        held = self.switchover.meanwhile is Meanwhile.HELD
        return f"{self.strategy}{' beside' if beside else ' held' if held else ''}"

    @property
    def left_stopped(self) -> bool:
        """Tell whether a restore has left the application stopped, as far as it was looked at since."""
        return self.restored is not None and (not isinstance(self.after, Snapshot) or self.after.stands_still)

    @property
    def target_tag(self) -> str:
        """The target's tag; empty when none is pinned."""
        return self.target.tag if self.target else ""

    @property
    def target_heads(self) -> tuple[str, ...]:
        """The heads of the migrations that the target includes; empty when they are not on record."""
        graph = (self.target_migrations or {}).get("graph") or {}
        return tuple(map(str, graph.get("heads") or ()))

    @property
    def seen_before(self) -> Snapshot:
        """Production before any change. Raises Inconclusive when it was not looked at."""
        return _needed(self.before, "production was not looked at")

    @property
    def failed(self) -> Origin:
        """The failed release. Raises Inconclusive when it is not on record."""
        return _needed(self.origin, "the failed release is not on record")


#: The members, by the names that the journal has.
_MEMBERS = {field.alias: name for name, field in Facts.model_fields.items()}


def _needed(fact: _T | None, seen: str) -> _T:
    if fact is None:
        raise Inconclusive(f"{seen} in this incident", "run chapter 1: `pytest features`")
    return fact
