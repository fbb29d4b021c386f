"""The settings file as pydantic models; `docs/settings.md` explains every key."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from runbook.settings.secret_source import SecretSource, Section, VariableName

#: Replaced by the revision in the application's own commands.
REVISION = "{revision}"
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/[^\s]*)?$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/\S*$")]
HostHeader = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+(:\d+)?$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]
Seconds = Annotated[float, Field(gt=0, le=3600)]
# A name in PostgreSQL's catalog, at most 63 bytes.
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
# The names that Compose itself accepts (https://docs.docker.com/compose/how-tos/project-name/).
ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Project(Section):
    """The Compose project on the production host."""

    name: ProjectName
    directory: PurePosixPath
    compose_files: tuple[Word, ...] = ()
    env_file: Word = ".env"
    tag_variable: VariableName = "IMAGE_TAG"
    services: tuple[Word, ...] = Field(default=("api", "jobs"), min_length=1)

    @field_validator("directory")
    @classmethod
    def _absolute(cls, directory: PurePosixPath) -> PurePosixPath:
        if not directory.is_absolute():
            raise ValueError("expected an absolute path on the production host")
        return directory


class HostSettings(Section):
    """The production host: its commands' environment, and the free space that it needs."""

    environment: dict[VariableName, str] = Field(default_factory=dict)
    minimum_free_gib: Annotated[float, Field(ge=0)] = 2.0


class RegistrySettings(Section):
    """The image registry that releases are pulled from."""

    url: HttpUrl
    username: Word | None = None
    password: SecretSource | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("expected both username and password, or neither")
        return self


class DatabaseSettings(Section):
    """The PostgreSQL database, asked from inside its container."""

    service: Word = "db"
    user: Word
    name: Word
    version_table: Identifier = "alembic_version"
    version_schema: Identifier | None = None
    dump_directory: UrlPath = "/tmp"  # noqa: S108 - inside the database's container
    lock_timeout: Seconds = 10.0
    statement_timeout: Seconds = 300.0


class MigrationSettings(Section):
    """Where Alembic is inside the application's image."""

    service: Word = "api"
    config: Word = "alembic.ini"
    section: Word = "alembic"
    python: Word = "python3"
    upgrade: tuple[Word, ...] = ()
    downgrade: tuple[Word, ...] = ()
    trial: tuple[Word, ...] = ()
    at_start: bool | None = None

    @field_validator("downgrade")
    @classmethod
    def _names_its_revision(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if words and not any(REVISION in word for word in words[1:]):
            raise ValueError(f"expected {REVISION} behind the first word: the target's head is gone back to by name")
        return words

    @model_validator(mode="after")
    def _trial_of_something(self) -> Self:
        if self.trial and not (self.upgrade or self.downgrade):
            raise ValueError("trial is the harmless form of upgrade and downgrade, and neither is set")
        return self

    def own(self, direction: str) -> tuple[str, ...]:
        """Return the application's command for `upgrade` or `downgrade`; empty when Alembic itself is called."""
        return self.upgrade if direction == "upgrade" else self.downgrade


class ServiceCommand(Section):
    """A command inside a service's running container, or on the host without `service`."""

    service: Word | None = None
    command: tuple[Word, ...] = Field(min_length=1)


class TrafficSettings(Section):
    """The public URL, and the commands that pause and resume its traffic."""

    public_url: HttpUrl
    check_path: UrlPath
    release_header: Word | None = None
    probe_interval: Annotated[float, Field(ge=0, le=60)] = 0.25
    pause: ServiceCommand
    resume: ServiceCommand
    state: ServiceCommand

    @property
    def address(self) -> str:
        """The public URL that is asked to check whether traffic is served."""
        return self.public_url.rstrip("/") + self.check_path


class HealthSettings(Section):
    """Liveness and readiness of the api."""

    service: Word = "api"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    scheme: Literal["http", "https"] = "http"
    host_header: HostHeader | None = None
    headers: dict[HeaderName, Word] = Field(default_factory=dict)
    liveness_path: UrlPath = "/healthz"
    readiness_path: UrlPath = "/readyz"
    behind_schema_may_be_false: tuple[Word, ...] = ("ready", "migrations_current")
    required: tuple[Word, ...] = ("database", "jobs", "migrations_current")

    @field_validator("headers")
    @classmethod
    def _no_host(cls, headers: dict[str, str]) -> dict[str, str]:
        if any(name.lower() == "host" for name in headers):
            raise ValueError("expected no Host among them: that is host_header")
        return headers


class MetricsSettings(Section):
    """The metrics page at the public URL, and its token."""

    path: UrlPath = "/metrics"
    token: SecretSource


class LogSettings(Section):
    """Which logs are read for errors, and which errors are harmless."""

    services: tuple[Word, ...] = Field(default=("api", "jobs"), min_length=1)
    window: Annotated[str, StringConstraints(pattern=r"^\d+[smh]$")] = "10m"
    ignore: tuple[str, ...] = ()

    @field_validator("ignore")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression ({error})") from None
        return patterns


class SwitchSettings(Section):
    """A kill switch: its variable in the env file, and the paths that follow it."""

    variable: VariableName
    off: Word = "off"
    on: Word = "on"
    services: tuple[Word, ...] = Field(default=("api",), min_length=1)
    paths: tuple[UrlPath, ...] = Field(min_length=1)
    credential: SecretSource | None = None
    disabled_statuses: tuple[int, ...] = Field(default=(404, 410), min_length=1)
    owner: Word | None = None
    remind_after: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}[hd]$")] | None = None


class AnnouncementSettings(Section):
    """The incident channel, as an Apprise URL (https://github.com/caronc/apprise/wiki)."""

    url: SecretSource


class TicketSettings(Section):
    """The issue tracker, by GitHub's REST API (https://docs.github.com/rest/issues/issues)."""

    api_url: HttpUrl = "https://api.github.com"
    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    token: SecretSource
    labels: tuple[Word, ...] = ("rollback",)


class Deadlines(Section):
    """Deadlines in seconds."""

    command: Seconds = 60
    pull: Seconds = 600
    dump: Seconds = 1800
    migrate: Seconds = 600
    up: Seconds = 180
    healthy: Seconds = 120
    stable: Seconds = 5
    http: Seconds = 5
    no_answer: Seconds = 30
    public: Seconds = 30
    step: Seconds = 3600

    @model_validator(mode="after")
    def _step_is_longest(self) -> Self:
        longest = max(
            self.command, self.pull, self.dump, self.migrate, self.up, self.healthy, self.public, self.no_answer
        )
        if self.step < longest:
            raise ValueError(f"step ({self.step:g}) must not be shorter than any of the others ({longest:g})")
        return self

    @model_validator(mode="after")
    def _steady_in_time(self) -> Self:
        if self.stable >= self.healthy:
            raise ValueError(f"stable ({self.stable:g}) must be shorter than healthy ({self.healthy:g})")
        return self


class RecordSettings(Section):
    """Secret variables whose names do not look secret."""

    secret_variables: tuple[VariableName, ...] = ()


class Settings(Section):
    """The whole settings file."""

    kind: Literal["rollback-runbook/1"] = "rollback-runbook/1"
    project: Project
    host: HostSettings = HostSettings()
    registry: RegistrySettings
    database: DatabaseSettings
    migrations: MigrationSettings = MigrationSettings()
    traffic: TrafficSettings
    health: HealthSettings = HealthSettings()
    metrics: MetricsSettings
    logs: LogSettings = LogSettings()
    switches: dict[Word, SwitchSettings] = Field(default_factory=dict)
    announcement: AnnouncementSettings
    ticket: TicketSettings
    deadlines: Deadlines = Deadlines()
    record: RecordSettings = RecordSettings()

    @model_validator(mode="after")
    def _services_are_rolled_back(self) -> Self:
        for key, service in (("migrations", self.migrations.service), ("health", self.health.service)):
            if service not in self.project.services:
                raise ValueError(f"{key}.service {service} is not among project.services")
        return self

    def health_headers(self) -> dict[str, str]:
        """Return the headers of health requests: `Host` is the public one unless `health.host_header` is set."""
        public = urlsplit(self.traffic.public_url).netloc
        return {"Host": self.health.host_header or public, **self.health.headers}

    def secret_sources(self) -> dict[str, SecretSource]:
        """Return every secret that the settings name, by a name that may be shown."""
        sources = {
            "metrics token": self.metrics.token,
            "announcement address": self.announcement.url,
            "ticket token": self.ticket.token,
        }
        for name, switch in self.switches.items():
            if switch.credential:
                sources[f"credential of {name}"] = switch.credential
        if self.registry.password:
            sources["registry password"] = self.registry.password
        return sources
