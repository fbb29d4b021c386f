"""Everything that sentences speak of, made from the settings: one object for each thing."""

import contextlib
import os
from dataclasses import dataclass
from functools import cached_property

from pydantic import SecretStr

from runbook.channel import Channel
from runbook.env_file import EnvFileOnHost
from runbook.errors import RunbookError
from runbook.health import Health
from runbook.host import Host
from runbook.incident.incident import Incident
from runbook.incident.redaction import Redactor, secrets_in
from runbook.known_good import KnownGood
from runbook.logs import Logs
from runbook.migrations.catalog import Catalog
from runbook.migrations.restore_point import RestorePoint
from runbook.metrics import Metrics
from runbook.probes import Prober
from runbook.production import Production
from runbook.registry import Registry
from runbook.settings import Settings
from runbook.switches import Switch, Users, choose
from runbook.ticket import Tracker
from runbook.traffic import TrafficGate


def redactor_for(settings: Settings) -> Redactor:
    """A redactor that knows the secrets of this process's environment and those that the settings keep in files.

    Those of the env file are learned when it is read, which is before anything else is.
    """
    redactor = Redactor()
    redactor.learn_all(secrets_in(os.environ, settings.record.secret_variables))
    for name, source in settings.secret_sources().items():
        # A secret that is not there is reported by who needs it; what cannot be read cannot leak.
        with contextlib.suppress(RunbookError):
            redactor.learn(name, source.resolve({}).get_secret_value())
    return redactor


@dataclass(frozen=True)
class Wishes:
    """What the person who runs the runbook asked for, beyond the settings.

    `target` names the release to return to, `forward_fix` the one to go on with; `accept_loss` the lowest revision that
    may be undone; `verdict` is a human's, given `because`; `enable` and `disable` name a switch.
    """

    target: str | None = None
    forward_fix: str | None = None
    accept_loss: str | None = None
    verdict: str | None = None
    because: str | None = None
    enable: str | None = None
    disable: str | None = None


class Toolbox:
    """The parts of one production, for one incident. Making it reads the env file, and resolves every secret.

    Raises SettingsError when a secret is missing, and EnvFileError when there is no env file.
    """

    def __init__(self, settings: Settings, incident: Incident, wishes: Wishes) -> None:
        self.settings = settings
        self.wishes = wishes
        self.incident = incident
        redactor = incident.journal.redactor
        deadlines = settings.deadlines
        self.host = Host(settings.host.environment, incident)
        self.production = Production(self.host, settings.project, deadlines)
        path = str(settings.project.directory / settings.project.env_file)
        self.env_file = EnvFileOnHost(self.host, path, redactor, deadlines.command, settings.record.secret_variables)
        values = self.env_file.read().values
        secrets = {name: source.resolve(values) for name, source in settings.secret_sources().items()}
        redactor.learn_all((name, secret.get_secret_value()) for name, secret in secrets.items())
        self.catalog = Catalog(self.production, settings.database)
        self.restore_point = RestorePoint(self.production, settings.database, deadlines, incident.name)
        self.prober = Prober(deadlines.http, incident)
        password: SecretStr | None = secrets.get("registry password")
        self.registry = Registry(settings.registry.url, settings.registry.username, password, self.prober)
        self.known_good = KnownGood(self.production)
        self.gate = TrafficGate(self.production, self.prober, settings.traffic, deadlines.public)
        self.health = Health(self.production, self.prober, settings.health, deadlines)
        metrics_url = settings.traffic.public_url.rstrip("/") + settings.metrics.path
        self.metrics = Metrics(self.prober, metrics_url, secrets["metrics token"], deadlines.public)
        self.logs = Logs(self.production, settings.logs)
        self.channel = Channel(secrets["announcement address"], deadlines.http)
        self._secrets = secrets
        self.tracker = Tracker(self.prober, settings.ticket, secrets["ticket token"], deadlines.public)

    @cached_property
    def switch(self) -> Switch:
        """The switch that this run turns. Raises SettingsError when there is no such switch, or no saying which."""
        wishes, settings = self.wishes, self.settings
        name = choose(settings.switches, wishes.enable or wishes.disable)
        return Switch(
            self.production,
            self.env_file,
            settings.switches[name],
            Users(
                self.prober,
                settings.traffic.public_url.rstrip("/"),
                self._secrets.get(f"credential of {name}"),
                settings.deadlines.public,
            ),
            on=wishes.enable is not None,
        )
