"""The typed facts of an incident. The only module that writes them to the journal and reads them back."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runbook.errors import Inconclusive
from runbook.incident.production_facts import (
    ConfigurationDrift,
    ConfigurationToRestore,
    Fact,
    Origin,
    QuarantineFact,
    ReleaseFact,
    RunningRelease,
    Snapshot,
    Switchover,
    Together,
    TurnedSwitch,
    Unknown,
)
from runbook.incident.schema_facts import (
    AcceptedLoss,
    Bridge,
    HalfWay,
    KeptRows,
    RestoredFact,
    RestorePointFact,
    SchemaBefore,
    VerdictFact,
)
from runbook.journal.journal import Entry
from runbook.production.switchover.decision import Meanwhile, SwitchMode

_T = TypeVar("_T")


class Strategy(StrEnum):
    """The strategies: revert only the images, downgrade the schema first, or roll forward with a fix.

    With a bridge the schema stays, relaxed so that the target's code can use it.
    """

    IMAGE_ONLY = "image-only"
    BRIDGE = "bridge"
    DOWNGRADE = "downgrade"
    FORWARD_FIX = "forward-fix"


class Override(Fact):
    """A step that a person vouches for: who, why and when (UTC)."""

    by: str
    because: str
    at: str = ""


class BeginAnew(Fact):
    """The reason why `--resume` cannot continue, and the options of a new plan that can."""

    why: str
    options: tuple[str, ...] = ()


class UnderWay(Fact):
    """An unfinished rollback of another incident. `recorded_here`: its record is in the same folder as this one."""

    incident: str
    since: str
    target: str
    recorded_here: bool = False


class Facts(BaseModel):
    """The facts of one incident. Each is None until it is known.

    In the journal a fact has the member's name, with spaces for underscores.

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
    #: Each image's report on its migrations (`runbook.migrations.image.report`). `failed_migrations`: None if no range.
    target_migrations: dict[str, Any] | None = None
    failed_migrations: dict[str, Any] | None = None
    verdict: VerdictFact | None = None
    #: A proposal, whatever the strategy is.
    bridge: Bridge | None = None
    strategy: Strategy | None = None
    switchover: Switchover | None = None
    loss: tuple[str, ...] | None = None
    loss_accepted: AcceptedLoss | None = None
    restore_point: RestorePointFact | None = None
    kept_rows: KeptRows | None = None
    schema_before: SchemaBefore | None = None
    half_way: HalfWay | None = None
    #: Known before any change; has no row counts.
    to_restore: RestoredFact | None = None
    restored: RestoredFact | None = None
    switch: TurnedSwitch | None = None
    #: The follow-up ticket's address.
    ticket: str | None = None
    quarantined: QuarantineFact | None = None
    running: RunningRelease | None = None
    #: Only before a deploy: the release to deploy. The target is the release that runs now.
    release_to_deploy: ReleaseFact | None = None
    undecided: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    begin_anew: BeginAnew | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry], only: Collection[str] | None = None) -> Self:
        """Return the facts in journal entries, the newest value of each; only those named in `only`, if given.

        A value that is invalid for its fact counts as not on record.
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
        """Set the fact that the journal calls `name`, and return it in JSON types.

        Raises KeyError for an unknown name, and pydantic.ValidationError for an invalid value.
        """
        member = _MEMBERS[name]
        setattr(self, member, value)
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, include={member})[name]

    def on_record(self, member: str) -> bool:
        """Return whether this fact is known, even if its value is None."""
        return member in self.model_fields_set

    def drop(self, *members: str) -> None:
        """Reset these facts to unknown."""
        for member in members:
            setattr(self, member, type(self).model_fields[member].get_default(call_default_factory=True))
            self.model_fields_set.discard(member)

    @property
    def way(self) -> str:
        """The kind of incident, as used to compare it with others. Empty until it is decided."""
        if self.switch:
            return "emergency"
        if not self.strategy or self.switchover is None:
            return self.strategy or ""
        beside = self.switchover.mode is SwitchMode.BESIDE
        held = self.switchover.meanwhile is Meanwhile.HELD
        return f"{self.strategy}{' beside' if beside else ' held' if held else ''}"

    @property
    def left_stopped(self) -> bool:
        """Whether a restore left the application stopped, according to the last snapshot."""
        return self.restored is not None and (not isinstance(self.after, Snapshot) or self.after.application_stopped)

    @property
    def target_tag(self) -> str:
        """The target's tag. Empty if none is pinned."""
        return self.target.tag if self.target else ""

    @property
    def target_heads(self) -> tuple[str, ...]:
        """The heads of the target's migrations. Empty if they are not on record."""
        graph = (self.target_migrations or {}).get("graph") or {}
        return tuple(map(str, graph.get("heads") or ()))

    @property
    def seen_before(self) -> Snapshot:
        """Production before any change. Raises Inconclusive if it is not on record."""
        return _needed(self.before, "production was not looked at")

    @property
    def failed(self) -> Origin:
        """The failed release. Raises Inconclusive if it is not on record."""
        return _needed(self.origin, "the failed release is not on record")


#: The members, by their names in the journal.
_MEMBERS = {field.alias: name for name, field in Facts.model_fields.items()}


def _needed(fact: _T | None, seen: str) -> _T:
    if fact is None:
        raise Inconclusive(f"{seen} in this incident", "run chapter 1: `pytest features`")
    return fact
