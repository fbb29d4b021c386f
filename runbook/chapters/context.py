"""The objects that the steps work with, made from the settings."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from runbook.errors import Inconclusive, RegistryError
from runbook.hosts.host import Host
from runbook.hosts.http import ExchangeRecorder, HttpClient
from runbook.hosts.local import LocalHost
from runbook.hosts.opening import open_host
from runbook.incident.executor import Executor
from runbook.incident.look_ahead import LooksAhead
from runbook.incident.options import Options
from runbook.journal.availability import Availability
from runbook.migrations.database import Database
from runbook.migrations.image.report import ImageReport
from runbook.migrations.kept import KeptAnswers
from runbook.migrations.restore_point import RestorePoint
from runbook.migrations.restore_steps import Restoring
from runbook.notify.announcement import Channel
from runbook.notify.incident_log import IncidentLog
from runbook.notify.telling import Templates
from runbook.notify.trackers.choosing import tracker_for
from runbook.notify.trackers.tracker import Tracker
from runbook.production.compose import Production
from runbook.production.env_file import EnvFileOnHost
from runbook.production.logs.reader import Logs
from runbook.production.remembered import Remembered
from runbook.production.secrets import secrets_of
from runbook.production.service.health import Health
from runbook.production.service.kill_switches import KillSwitch, Users, choose
from runbook.production.service.metrics import Metrics
from runbook.production.service.traffic import TrafficGate
from runbook.release import ImageName
from runbook.secrets.known import learn_sources, logins_in
from runbook.secrets.redactor import Redactor, passwords_of_url
from runbook.secrets.stores.opening import Stores
from runbook.settings.absent import Absent
from runbook.settings.schema import Settings
from runbook.shared_state.bridge_note import BridgeNote
from runbook.shared_state.ledger import Ledger
from runbook.shared_state.open_rollback import OpenRollback
from runbook.shared_state.quarantine import Quarantine
from runbook.targets.docker_login import Login, docker_configuration, docker_login
from runbook.targets.registry import HUB, HUB_API, Registry, address_of, same_registry

if TYPE_CHECKING:
    import testinfra.host


def learn_production(settings: Settings, production: Production, redactor: Redactor) -> None:
    """Let `redactor` learn the secrets of production, and those that the settings name in env files and secret stores.

    Raises EnvFileError or ProductionError when they cannot be read. Nothing is recorded then.
    """
    host, env_file = production.host, env_file_of(settings, production, redactor)
    # Compose is slow to start. Only the invocation is needed first; the other calls run at the same time. One of them
    # reads the version, which the record's first entry contains.
    production.remembered.within_looks = True
    _ = production.invocation
    env_values, found, _ = LooksAhead().at_once(
        lambda: _values_for(settings, env_file),
        lambda: list(secrets_of(production, env_file, settings.record.secret_variables)),
        lambda: production.compose_version,
    )
    learn_sources(settings, env_values, redactor, Stores(settings, host, env_values, redactor).read)
    # A kill switch may be in a file that Compose mounts as a secret. Its `on` and `off` values are not secret.
    positions = {word for switch in settings.switches.values() for word in (switch.on, switch.off)}
    redactor.learn_all((name, secret) for name, secret in found if secret.strip() not in positions)
    if host.address is not None:
        redactor.learn_all(logins_in(docker_configuration(host, settings.deadlines.command)))


def _values_for(settings: Settings, env_file: EnvFileOnHost) -> dict[str, str]:
    """Return the env file's values, and the variables of production's other env files that the settings name."""
    values = env_file.read().values
    elsewhere = {each.env_file for each in settings.secret_sources().values() if each.env_file} - values.keys()
    return values | (env_file.values_of(sorted(elsewhere)) if elsewhere else {})


def env_file_of(
    settings: Settings, production: Production, redactor: Redactor, *, alone: bool = False
) -> EnvFileOnHost:
    """Return the settings' env file on the production host. With `alone`, it is read without the other env files.

    Reading it `alone` needs no engine.
    """
    path = str(settings.project.directory / settings.project.env_file)
    return EnvFileOnHost(production, path, redactor, settings.record.secret_variables, alone=alone)


class Context:
    """The parts of one production, for one incident. Creating it reads the env file.

    Raises SettingsError when the registry's password is missing, and EnvFileError when there is no env file.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is needed
        self,
        settings: Settings,
        incident: Executor,
        options: Options,
        availability: Callable[[], Availability | None] = lambda: None,
        canary: "Context | None" = None,
        known: Remembered | None = None,
    ) -> None:
        """`availability` returns the results of the probes of the public address so far; None if nothing is probed.

        `canary` is the context of the first of several hosts, if this is another host. `known` is the cache of what was
        read from this production before the record began. Cached answers that are used go on record.
        """
        self.settings = settings
        self.canary = canary
        self.availability = availability
        self.options = options
        self.incident = incident
        redactor = incident.journal.redactor
        deadlines = settings.deadlines
        incident.no_answer = deadlines.no_answer
        self.host = open_host(settings.host, incident, lambda: incident.patience)
        self.production = Production(self.host, settings.project, deadlines)
        self.engine_events = self.host.engine_events(settings.project.name)
        incident.waker = self.engine_events
        self._remember(known)
        self.env_file = env_file_of(settings, self.production, redactor)
        self._env_values = _values_for(settings, self.env_file)
        self.stores = Stores(settings, self.host, self._env_values, redactor)
        elsewhere = bool(settings.database and settings.database.url)
        self.database = Database(self.production, settings.database, self._database_address if elsewhere else None)
        self.http = HttpClient(deadlines.http, incident)
        #: Sends requests through the production host if that is another machine.
        self.http_there = HttpClient(deadlines.http, incident, self.host.tunnel)
        password = settings.registry.password if settings.registry else None
        self._registry_password = self._secret("registry password") if password else None
        self._registries: dict[str, Registry] = {}
        self._clients = [self.http, self.http_there]
        self.ledger = Ledger(self.production)
        self.quarantine = Quarantine(self.production)
        self.open_rollback = OpenRollback(self.production)
        self.bridge_note = BridgeNote(self.production)
        there = self.http_there if self.host.tunnel else None
        self.gate = TrafficGate(self.production, self.http, settings.traffic, deadlines.public, there)
        self.health = Health(
            self.production,
            self.http_there,
            settings.health,
            settings.health_headers(),
            deadlines,
            self.engine_events.undisturbed_since,
        )
        self.logs = Logs(self.production, settings.logs, redactor.text)
        #: The answers of images, and of trials on a copy of the schema, from earlier runs on this machine.
        self.kept = KeptAnswers(incident.journal.path.parent.parent, redactor)
        #: The migration reports of the images asked in this run, by image.
        self.asked_images: dict[str, ImageReport] = canary.asked_images if canary else {}
        #: Cleanup that runs before everything is closed, however the run ends.
        self.at_end = ExitStack()
        self.engine_events.listen()  # last, because the engine's address is known by now

    def _remember(self, known: Remembered | None) -> None:
        """Cache what is read from production. The incident clears the cache before each look and after each change."""
        remembered, incident = self.production.remembered, self.incident
        remembered.within_looks = True
        incident.look_anew = remembered.forget
        if known is not None:
            remembered.take_over(known)
        # Until its first change a run only reads, so its view of containers counts until the engine reports an event.
        remembered.unchanged_since = lambda moment: (
            incident.has_changed_nothing and self.engine_events.undisturbed_since(moment)
        )

    @cached_property
    def seen(self) -> "testinfra.host.Host":
        """The production host through testinfra, for facts about files, users, mounts, processes and sockets."""
        # Imported late, so that the first step starts sooner.
        from runbook.hosts.seen_by_testinfra import seen_by_testinfra  # noqa: PLC0415

        return seen_by_testinfra(self.host, self.settings.deadlines.command)

    def close(self) -> None:
        """Run the cleanup, then close the engine's event stream and the connections to the engine and HTTP servers."""
        try:
            self.at_end.close()
        finally:
            self.engine_events.close()
            self.host.engine.close()
            for each in self._clients:
                each.close()

    # What only the end of a run needs is created then: a missing ticket token must not stop a rollback at its start.

    def registry_http(self, deadline: float, recorder: ExchangeRecorder) -> HttpClient:
        """Return a client for the registry, through the production host unless the registry's address is public."""
        self._clients.append(HttpClient(deadline, recorder, self.host.tunnel, public_from_here=True))
        return self._clients[-1]

    def registry_of(self, image: ImageName) -> Registry:
        """Return the registry that has `image`. Raises RegistryError when the settings name another one."""
        known, aliases = self.settings.registry, {HUB: HUB_API}
        name = aliases.get(image.registry, image.registry)
        if name not in self._registries:
            self._registries[name] = self.registry_through(
                self.registry_http(self.settings.deadlines.http, self.incident), self.host, image
            )
        found = self._registries[name]
        if known and not same_registry(found.host, image.registry):
            raise RegistryError(
                f"Compose takes {image} from {image.registry}, but the settings name the registry {found.host}",
                "set registry.url to the registry that production pulls from, or leave [registry] out",
            )
        return found

    def registry_through(self, http: HttpClient, host: Host, image: ImageName) -> Registry:
        """Return the registry of the settings, or else that of `image`, with requests through `http`.

        If the settings name no user, it uses docker's login on `host`.
        """
        settings, learn = self.settings.registry, self.incident.journal.redactor.learn
        deadline, url = self.settings.deadlines.http, settings.url if settings else address_of(image)

        def login() -> Login | None:
            return docker_login(host, urlsplit(url).netloc, deadline, learn)

        return Registry(url, settings.username if settings else None, self._registry_password, http, login)

    def ci_token(self, name: str) -> SecretStr:
        """Return the token of a CI service by its name in the settings. Raises RunbookError when it cannot be read."""
        return self._secret(name)

    @cached_property
    def restore_point(self) -> RestorePoint:
        """The restore points of this incident. Raises Inconclusive when the settings name no database."""
        settings, gate = self.settings, self.settings.traffic.gate if self.settings.traffic else None
        if settings.database is None:
            raise Inconclusive(Absent.DATABASE.told, "add [database] to the settings")
        restoring = Restoring(self.production, self.database, gate)
        return RestorePoint(self.database, settings.database, settings.deadlines, self.incident, restoring)

    def _database_address(self) -> SecretStr:
        url = self._secret("database address")
        for password in passwords_of_url(url.get_secret_value()):
            self.incident.journal.redactor.learn("database password", password)
        return url

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics page. Raises SettingsError when its token is missing."""
        settings, public = self.settings.metrics, self.settings.traffic
        if settings is None:
            return Metrics(self.http, None, None, self.settings.deadlines.public)
        url = settings.url or (public.public_url.rstrip("/") + settings.path if public else None)
        token = self._secret("metrics token") if settings.token else None
        return Metrics(self.http, url, token, self.settings.deadlines.public)

    @cached_property
    def channel(self) -> Channel:
        """The incident channel. Raises SettingsError when its address is missing or invalid."""
        return self.incident.ahead.found(Context.channel, self.new_channel)

    def new_channel(self) -> Channel:
        """Return a new incident channel, for use in another thread. Raises as `channel` does."""
        return Channel(self._secret("announcement address"), self.settings.deadlines.http)

    @cached_property
    def templates(self) -> Templates:
        """The templates of messages to people."""
        settings = self.settings.announcement
        return Templates(settings.templates if settings else None, self.incident.journal.redactor.text)

    @cached_property
    def tracker(self) -> Tracker | None:
        """The issue tracker; None without one. Raises SettingsError when its token is missing."""
        ticket, incident = self.settings.ticket, self.incident
        if ticket is None:
            return None
        deadline = self.settings.deadlines.public
        return tracker_for(ticket, self.http, deadline, self._secret, lambda: incident.facts.ticket)

    @cached_property
    def incident_log(self) -> IncidentLog | None:
        """The team's incident log; None without one. Raises SettingsError when it cannot be written."""
        log = self.settings.incident_log
        if log is None:
            return None
        here = LocalHost(self.settings.host.environment if self.host.address is None else {}, self.incident)
        return IncidentLog(log, here, self.settings.deadlines.command)

    @property
    def switch_name(self) -> str:
        """The name in the settings of the switch that this run turns. Raises SettingsError as `switch` does."""
        return choose(self.settings.switches, self.options.enable or self.options.disable)

    @cached_property
    def switch(self) -> KillSwitch:
        """The switch that this run turns. Raises SettingsError if there is none, or if it is unclear which."""
        options, settings, name = self.options, self.settings, self.switch_name
        credential = self._secret(f"credential of {name}") if settings.switches[name].credential else None
        public_url = settings.traffic.public_url.rstrip("/") if settings.traffic else None
        users = Users(self.http, public_url, credential, settings.deadlines.public)
        switch, on = settings.switches[name], options.enable is not None
        store = self.stores.open(switch.store) if switch.store else None
        return KillSwitch(self.production, self.env_file, switch, users, on=on, store=store)

    def _secret(self, name: str) -> SecretStr:
        secret = self.settings.secret_sources()[name].resolve(self._env_values, self.stores.read)
        self.incident.journal.redactor.learn(name, secret.get_secret_value())
        return secret
