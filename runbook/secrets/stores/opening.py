"""Opening of the stores in the settings. Packages for AWS and Vault are imported only then."""

import posixpath
from collections.abc import Mapping
from functools import cache

from pydantic import SecretStr

from runbook.errors import SettingsError
from runbook.hosts.command import Command
from runbook.hosts.host import Host
from runbook.secrets.redactor import Redactor, secrets_in
from runbook.secrets.stores.aws import client, tool
from runbook.secrets.stores.commands import Commands
from runbook.secrets.stores.host_file import HostFile
from runbook.secrets.stores.parameter_store import ParameterStore
from runbook.secrets.stores.secrets_manager import SecretsManager
from runbook.secrets.stores.store import Store
from runbook.secrets.stores.vault import Vault
from runbook.settings.schema import Settings
from runbook.settings.secret_source import SecretSource, StoreAddress
from runbook.settings.stores import SwitchStore


class Stores:
    """All secret stores of one production."""

    def __init__(self, settings: Settings, host: Host, env_values: dict[str, str], redactor: Redactor) -> None:
        """`env_values` are the values of production's env files, which may have Vault's login."""
        self._settings = settings
        self._host = host
        self._env_values = env_values
        self._redactor = redactor
        # Creating a client takes as long as several requests.
        self._aws = cache(lambda service: client(service, settings.aws, settings.deadlines.http))

    def open(self, address: StoreAddress) -> Store:
        """Return the store for an address. Raises SettingsError when a package or a login is missing."""
        settings, deadline = self._settings, self._settings.deadlines.http
        place = address.ssm or address.secrets_manager or address.vault or ""
        if address.ssm:
            return ParameterStore(place, self._aws("ssm"), deadline, tool=tool(settings.aws))
        if address.secrets_manager:
            asked = self._aws("secretsmanager")
            return SecretsManager(place, address.key, asked, deadline, self._learn, tool=tool(settings.aws))
        if address.vault and settings.vault and address.key:
            return Vault(place, address.key, settings.vault, deadline, secret=self._login, learn=self._learn)
        switch = address if isinstance(address, SwitchStore) else None
        if address.read:
            change = self._command(*switch.set) if switch and switch.set else None
            return Commands(self._command(*address.read), change, self._host)
        if switch and switch.file:
            return HostFile(posixpath.join(str(settings.project.directory), switch.file), self._command(), self._host)
        raise SettingsError(f"no store for {address.kind}", "name one that docs/settings.md lists")

    def read(self, address: StoreAddress) -> SecretStr:
        """Return the secret at an address. Raises Inconclusive, StoreError or SettingsError, which never show it."""
        return self.open(address).read().value

    def _command(self, *argv: str) -> Command:
        return Command(argv, self._settings.deadlines.command, str(self._settings.project.directory))

    def _login(self, source: SecretSource) -> SecretStr:
        return source.resolve(self._env_values)

    def _learn(self, values: Mapping[str, str]) -> None:
        self._redactor.learn_all(secrets_in(values, self._settings.record.secret_variables))
