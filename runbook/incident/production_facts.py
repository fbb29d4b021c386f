"""The facts about production: containers, releases, configuration, the switch and the quarantine."""

import shlex
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from runbook.errors import RunbookError
from runbook.production.configuration import Difference
from runbook.production.service.gate_state import contradiction, describe_gate
from runbook.production.switchover.decision import Meanwhile, Obstacle, SwitchMode
from runbook.release import ImageName, Release


class Fact(BaseModel):
    """A fact of an incident, or a part of one. Immutable."""

    model_config = ConfigDict(frozen=True)


class Unknown(Fact):
    """Something that could not be read, and why."""

    unknown: str

    @classmethod
    def of(cls, error: RunbookError) -> Self:
        """Return the fact that is unknown because of `error`."""
        return cls(unknown=error.seen)

    def __str__(self) -> str:
        return f"unknown: {self.unknown}"


_NOT_READ = Unknown(unknown="not looked at")


class ContainerFact(Fact):
    """One container. `tag` and `digest` are those of its image, if its service is rolled back."""

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


class PublicAnswer(Fact):
    """The answer of the public URL: who answered (`runbook.production.service.gate_state.By`), and what was `seen`."""

    by: str
    seen: str


class SwitchPosition(Fact):
    """A kill switch: its variable and value, its state (`on`, `off` or `other`), its owner and its reminder."""

    variable: str
    value: str
    state: str
    owner: str | None = None
    remind_after: str | None = None


class TurnedSwitch(SwitchPosition):
    """The kill switch that an emergency changes, in its new position."""

    name: str


class Origin(Fact):
    """The failed release: its tags, its digests by service, and the error counts in its logs by signature."""

    tags: tuple[str, ...]
    digests: dict[str, str] = Field(default_factory=dict)
    log_errors: Unknown | dict[str, int] = Field(default_factory=dict)


class Snapshot(Fact):
    """Production at one moment, `at` (UTC). `digests` are by service."""

    at: str = ""
    containers: tuple[ContainerFact, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    env_file: dict[str, str] = Field(default_factory=dict)
    switches: dict[str, SwitchPosition] = Field(default_factory=dict)
    revisions: Unknown | tuple[str, ...] = Field(default=_NOT_READ, alias="schema")
    readiness: Unknown | dict[str, Any] = _NOT_READ
    gate: Unknown | str = _NOT_READ
    public: PublicAnswer | None = None
    log_errors: Unknown | dict[str, int] = _NOT_READ

    def as_origin(self) -> Origin:
        """Return the running release as the failed one."""
        return Origin(tags=self.tags, digests=self.digests, log_errors=self.log_errors)

    @property
    def gate_in_words(self) -> str:
        """The state of the traffic gate, in words for the terminal."""
        public = (self.public.by, self.public.seen) if self.public else None
        return str(self.gate) if isinstance(self.gate, Unknown) else describe_gate(self.gate, public)

    @property
    def traffic_stopped(self) -> bool:
        """Whether traffic is paused: the gate reports closed or held, and the public answer does not contradict it."""
        by, seen = (self.public.by, self.public.seen) if self.public else ("", "")
        return self.gate in ("closed", "held") and contradiction(str(self.gate), by, seen) is None

    @property
    def application_stopped(self) -> bool:
        """Whether every container of the application is stopped."""
        return all(each.state in ("exited", "created") for each in self.containers if each.service in self.digests)


class ReleaseFact(Fact):
    """A release pinned to its digests."""

    tag: str
    images: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, release: Release) -> Self:
        """Return `release` in the form that the journal keeps."""
        return cls.model_validate(release.facts())

    def release(self) -> Release:
        """Return the release that this fact describes."""
        images = {service: ImageName.parse(image) for service, image in self.images.items()}
        return Release(self.tag, images, self.digests)


class RunningRelease(ReleaseFact):
    """The validated release, and the IDs of the containers that were validated."""

    containers: tuple[str, ...] = ()


class Together(Fact):
    """The other effects of the switch.

    `recreated` and `left` are services that depend on the application, with the reason; `differed` are containers that
    differed from the Compose files before; `restored` are containers of other services that change because the target's
    configuration is restored.
    """

    recreated: dict[str, str] = Field(default_factory=dict)
    left: dict[str, str] = Field(default_factory=dict)
    differed: dict[str, str] = Field(default_factory=dict)
    restored: dict[str, str] = Field(default_factory=dict)
    unknown: dict[str, str] = Field(default_factory=dict)


class ConfigurationDrift(Fact):
    """The differences from the configuration that release `tag` was validated with, at `validated_at` (UTC)."""

    tag: str
    validated_at: str = ""
    differences: Unknown | tuple[Difference, ...]

    @property
    def unknown(self) -> str:
        """The reason why the differences are unknown. Empty if they are known."""
        return self.differences.unknown if isinstance(self.differences, Unknown) else ""


class FileToRestore(Fact):
    """A file to restore: its path as given to Compose, and its `place` on the host with all links resolved.

    `was` is the SHA-256 of its content before, `kept` the path of the copy of that content on the host.
    """

    path: str
    place: str
    was: str
    kept: str


class ConfigurationToRestore(Fact):
    """The configuration that release `tag` was validated with, at `validated_at` (UTC), and what is restored from it.

    `compose_files` holds their SHA-256 by path, `env_file` that of the env file. `files` are the files to restore, the
    env file last. `variables` are the names whose values are restored, `left` the kill switches that keep their
    current values. `remaining` are the differences that remain.
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
        """The SHA-256 of each copy that is restored from."""
        return (self.env_file, *self.compose_files.values())

    @property
    def bring_back(self) -> tuple[str, ...]:
        """The commands that undo the restore on the production host."""
        return tuple(shlex.join(("cp", "--preserve=all", "--", each.kept, each.place)) for each in self.files)


class ObstacleFact(Fact):
    """A reason why the target cannot start beside the failed release, and what was seen."""

    obstacle: Obstacle
    seen: str


class Switchover(Fact):
    """The switch mode, the reasons against `beside`, and what happens to traffic meanwhile.

    `numbers` holds the former container count of each service that starts beside the failed release; `in_turn` are the
    other services.
    """

    mode: SwitchMode
    meanwhile: Meanwhile = Meanwhile.PAUSED
    reasons: tuple[ObstacleFact, ...] = ()
    numbers: dict[str, int] = Field(default_factory=dict)
    in_turn: tuple[str, ...] = ()


class QuarantineFact(Fact):
    """The digests that this incident put in quarantine, and the quarantine file on the host."""

    tag: str
    digests: dict[str, str]
    since: str
    file: str
