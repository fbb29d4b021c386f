"""Everything that steps speak of, made from the settings: one object for each thing."""

from collections.abc import Callable
from functools import cached_property

from pydantic import SecretStr

from runbook.hosts.http import HttpClient
from runbook.hosts.local import Host
from runbook.incident.executor import Executor
from runbook.incident.options import Options
from runbook.journal.availability import Availability
from runbook.migrations.database import Database
from runbook.migrations.image.report import ImageReport
from runbook.migrations.restore_point import RestorePoint
from runbook.migrations.restore_steps import Restoring
from runbook.notify.announcement import Channel
from runbook.notify.trackers.github import GitHubTracker
from runbook.production.compose import Production
from runbook.production.env_file import EnvFileOnHost
from runbook.production.logs.reader import Logs
from runbook.production.secrets import secrets_of
from runbook.production.service.health import Health
from runbook.production.service.kill_switches import KillSwitch, Users, choose
from runbook.production.service.metrics import Metrics
from runbook.production.service.traffic import TrafficGate
from runbook.secrets.known import learn_sources
from runbook.secrets.redactor import Redactor
from runbook.settings.schema import Settings
from runbook.shared_state.ledger import Ledger
from runbook.shared_state.open_rollback import OpenRollback
from runbook.shared_state.quarantine import Quarantine
from runbook.targets.registry import Registry


def learn_production(settings: Settings, host: Host, redactor: Redactor) -> None:
    """Let `redactor` learn the secrets of production, and those that the settings say are in its env file.

    Raises EnvFileError or ProductionError when they cannot be known: nothing is written down then.
    """
    production = Production(host, settings.project, settings.deadlines)
    env_file = env_file_of(settings, production, redactor)
    learn_sources(settings, _values_for(settings, env_file), redactor)
    redactor.learn_all(secrets_of(production, env_file, settings.record.secret_variables))


def _values_for(settings: Settings, env_file: EnvFileOnHost) -> dict[str, str]:
    """What Compose reads in the env file, and in the others of production what the settings name of it."""
    values = env_file.read().values
    elsewhere = {each.env_file for each in settings.secret_sources().values() if each.env_file} - values.keys()
    return values | (env_file.values_of(sorted(elsewhere)) if elsewhere else {})


def env_file_of(
    settings: Settings, production: Production, redactor: Redactor, *, alone: bool = False
) -> EnvFileOnHost:
    """The env file that the settings name, where it lies on the production host; `alone` needs no engine."""
    path = str(settings.project.directory / settings.project.env_file)
    return EnvFileOnHost(production, path, redactor, settings.record.secret_variables, alone=alone)


class Context:
    """The parts of one production, for one incident. Making it reads the env file.

    Raises SettingsError when the registry's password is missing, and EnvFileError when there is no env file.
    """

    def __init__(
        self,
        settings: Settings,
        incident: Executor,
        options: Options,
        availability: Callable[[], Availability | None] = lambda: None,
    ) -> None:
        """`availability` gives what the http of the public address has seen so far, None when it probes nothing."""
        self.settings = settings
        self.availability = availability
        self.options = options
        self.incident = incident
        redactor = incident.journal.redactor
        deadlines = settings.deadlines
        incident.no_answer = deadlines.no_answer
        self.host = Host(settings.host.environment, incident, lambda: incident.patience)
        self.production = Production(self.host, settings.project, deadlines)
        self.env_file = env_file_of(settings, self.production, redactor)
        self._env_values = _values_for(settings, self.env_file)
        self.database = Database(self.production, settings.database)
        restoring = Restoring(self.production, settings.database, settings.traffic)
        self.restore_point = RestorePoint(self.production, settings.database, deadlines, incident, restoring)
        self.http = HttpClient(deadlines.http, incident)
        password = self._secret("registry password") if settings.registry.password else None
        self.registry = Registry(settings.registry.url, settings.registry.username, password, self.http)
        self.ledger = Ledger(self.production)
        self.quarantine = Quarantine(self.production)
        self.open_rollback = OpenRollback(self.production)
        self.gate = TrafficGate(self.production, self.http, settings.traffic, deadlines.public)
        self.health = Health(self.production, self.http, settings.health, settings.health_headers(), deadlines)
        self.logs = Logs(self.production, settings.logs, redactor.text)
        #: What images that ran said of their migrations, by image id.
        self.asked_images: dict[str, ImageReport] = {}

    # What is needed at the end is made only then: a missing ticket token must not stop a rollback as it begins.

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics page. Raises SettingsError when its token is missing."""
        url = self.settings.traffic.public_url.rstrip("/") + self.settings.metrics.path
        return Metrics(self.http, url, self._secret("metrics token"), self.settings.deadlines.public)

    @cached_property
    def channel(self) -> Channel:
        """The incident channel. Raises SettingsError when its address is missing, or is none."""
        return Channel(self._secret("announcement address"), self.settings.deadlines.http)

    @cached_property
    def tracker(self) -> GitHubTracker:
        """The issue tracker. Raises SettingsError when its token is missing."""
        deadline = self.settings.deadlines.public
        return GitHubTracker(self.http, self.settings.ticket, self._secret("ticket token"), deadline)

    @property
    def switch_name(self) -> str:
        """The name of that switch in the settings. Raises SettingsError as `switch` does."""
        return choose(self.settings.switches, self.options.enable or self.options.disable)

    @cached_property
    def switch(self) -> KillSwitch:
        """The switch that this run turns. Raises SettingsError when there is no such switch, or no saying which."""
        options, settings, name = self.options, self.settings, self.switch_name
        credential = self._secret(f"credential of {name}") if settings.switches[name].credential else None
        users = Users(self.http, settings.traffic.public_url.rstrip("/"), credential, settings.deadlines.public)
        return KillSwitch(self.production, self.env_file, settings.switches[name], users, on=options.enable is not None)

    def _secret(self, name: str) -> SecretStr:
        secret = self.settings.secret_sources()[name].resolve(self._env_values)
        self.incident.journal.redactor.learn(name, secret.get_secret_value())
        return secret
