"""The settings file as pydantic models; `docs/settings.md` explains every key."""

from pathlib import PurePosixPath
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from runbook.settings.absent import Absent
from runbook.settings.application import (
    HealthSettings,
    LogSettings,
    MetricsSettings,
    SwitchoverSettings,
    SwitchSettings,
    TrafficSettings,
)
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.host import HostSettings, OneHost
from runbook.settings.people import AnnouncementSettings, IncidentLogSettings, PathBeside, TicketSettings
from runbook.settings.review import ReviewSettings
from runbook.settings.secret_source import SecretSource, Section
from runbook.settings.stores import AwsSettings, VaultSettings
from runbook.settings.target_sources import TargetSettings
from runbook.settings.words import HttpUrl, ModuleName, ProjectName, Seconds, VariableName, Word


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
    """The record: secret variables whose names do not look secret."""

    secret_variables: tuple[VariableName, ...] = ()


class OwnSettings(Section):
    """The team's own chapters: folders of features beside the settings file, and the modules of their steps."""

    features_dirs: tuple[PathBeside, ...] = ()
    steps_modules: tuple[ModuleName, ...] = ()

    @model_validator(mode="after")
    def _steps_of_something(self) -> Self:
        if self.steps_modules and not self.features_dirs:
            raise ValueError("expected features_dirs as well: the runbook's own features do not use these steps")
        return self


class Settings(Section):
    """The whole settings file. Only `project` is required; other parts that are left out are not configured."""

    kind: Literal["rollback-runbook/1"] = "rollback-runbook/1"
    project: Project
    host: HostSettings = HostSettings()
    hosts: tuple[OneHost, ...] = ()
    registry: RegistrySettings | None = None
    targets: TargetSettings = TargetSettings()
    database: DatabaseSettings | None = None
    migrations: MigrationSettings = MigrationSettings()
    traffic: TrafficSettings | None = None
    health: HealthSettings | None = None
    metrics: MetricsSettings | None = None
    logs: LogSettings = LogSettings()
    switch: SwitchoverSettings = SwitchoverSettings()
    switches: dict[Word, SwitchSettings] = Field(default_factory=dict)
    announcement: AnnouncementSettings | None = None
    ticket: TicketSettings | None = None
    incident_log: IncidentLogSettings | None = None
    aws: AwsSettings = AwsSettings()
    vault: VaultSettings | None = None
    deadlines: Deadlines = Deadlines()
    record: RecordSettings = RecordSettings()
    review: ReviewSettings = ReviewSettings()
    own: OwnSettings = OwnSettings()

    @model_validator(mode="before")
    @classmethod
    def _services_by_default(cls, given: Any) -> Any:
        """Fill in the project's services where `migrations`, `health`, `logs` and `switches` name none."""
        services = _services_of(given)
        if not services:
            return given
        first = "api" if "api" in services else services[0]
        filled = dict(given)
        for key, name, value in (
            ("migrations", "service", first),
            ("health", "service", first),
            ("logs", "services", services),
        ):
            if isinstance(section := filled.get(key, {} if key != "health" else None), dict):
                filled[key] = {name: value} | section
        if isinstance(switches := filled.get("switches"), dict):
            filled["switches"] = {
                name: {"services": [first]} | switch if isinstance(switch, dict) else switch
                for name, switch in switches.items()
            }
        return filled

    @property
    def unchecked_migrations(self) -> Absent | None:
        """Why migrations are not checked: there are none, or no database is configured. None if they are checked."""
        if self.migrations.tool == "none":
            return Absent.MIGRATIONS
        return Absent.DATABASE if self.database is None and self.migrations.tool == "alembic" else None

    @property
    def api(self) -> str:
        """The application's main service, whose health and migrations are checked."""
        return self.health.service if self.health else self.migrations.service

    @model_validator(mode="after")
    def _one_host_or_several(self) -> Self:
        if self.hosts and self.host.address:
            raise ValueError("expected host.address for one host, or hosts for several, but both are set")
        if len(self.hosts) == 1:
            raise ValueError("expected two hosts or more; for one, use host.address")
        if len({each.name for each in self.hosts}) < len(self.hosts):
            raise ValueError("two hosts have the same name; give each a name: { address = …, name = … }")
        if self.host.ssh_config and not (self.host.address or self.hosts):
            raise ValueError("host.ssh_config is for a host with an address, but there is none")
        if self.hosts and self.database and self.database.hosts is None:
            raise ValueError(
                'expected database.hosts, because there are several hosts: "shared" if they share one database,'
                ' "each" if each has its own'
            )
        if self.database and self.database.hosts and not self.hosts:
            raise ValueError("database.hosts is for several hosts, but hosts is empty")
        if self.hosts and self.database and self.database.hosts == "shared" and self.database.url is None:
            raise ValueError("expected database.url, at which each host reaches the shared database")
        return self

    @model_validator(mode="after")
    def _public_address_is_seen_from_here(self) -> Self:
        for address, settings in [(each.host.address, each) for each in self.on_each().values()]:
            host = (urlsplit(settings.traffic.public_url).hostname or "") if settings.traffic else ""
            if address and (host == "localhost" or host.startswith("127.") or host == "::1"):
                raise ValueError(
                    f"traffic.public_url is at {host}, which is this machine, but the host is {address};"
                    " expected the address at which users reach the service"
                )
        return self

    def on_each(self) -> dict[str, "Settings"]:
        """Return the settings of each host, by its name, in order. A single host has an empty name."""
        return {each.name: self._on(each) for each in self.hosts} or {"": self}

    def _on(self, one: OneHost) -> "Settings":
        found: dict[str, Any] = {"hosts": (), "host": self.host.model_copy(update={"address": one.address})}
        if one.directory:
            found["project"] = self.project.model_copy(update={"directory": one.directory})
        if one.public_url and self.traffic:
            found["traffic"] = self.traffic.model_copy(update={"public_url": one.public_url})
        if one.health_through and self.health:
            found["health"] = self.health.model_copy(update={"through": one.health_through})
        return self.model_copy(update=found)

    def health_headers(self) -> dict[str, str]:
        """Return the headers of health requests. `Host` is the public host unless `health.host_header` is set."""
        if self.health is None:
            return {}
        # A base URL has its own host name.
        public = urlsplit(self.traffic.public_url).netloc if self.traffic and "://" not in self.health.through else None
        host = self.health.host_header or public
        return ({"Host": host} if host else {}) | self.health.headers

    def secret_sources(self) -> dict[str, SecretSource]:
        """Return the source of every secret in the settings, by a name that may be shown."""
        sources = {
            "metrics token": self.metrics.token if self.metrics else None,
            "announcement address": self.announcement.url if self.announcement else None,
            "database address": self.database.url if self.database else None,
            "ticket token": self.ticket.token if self.ticket else None,
            "ticket address": self.ticket.url if self.ticket and self.ticket.tracker == "webhook" else None,
            **{f"credential of {name}": switch.credential for name, switch in self.switches.items()},
            "Vault login": (self.vault.token or self.vault.secret_id) if self.vault else None,
            "registry password": self.registry.password if self.registry else None,
        }
        return {name: source for name, source in sources.items() if source} | self.targets.tokens()


def _services_of(given: Any) -> list[str]:
    """Return the project's services from settings that are not validated yet."""
    project = given.get("project") if isinstance(given, dict) else None
    services = project.get("services") if isinstance(project, dict) else None
    whole = isinstance(services, list) and all(isinstance(each, str) for each in services)
    return list(services) if whole and services else []
