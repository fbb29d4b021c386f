"""HashiCorp Vault and OpenBao: one key of a secret in a version 2 key-value engine."""

import logging
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import SecretStr

from runbook.errors import Inconclusive, SettingsError, StoreError
from runbook.hosts.http import unsendable
from runbook.hosts.in_time import within
from runbook.secrets.stores.store import UNREADABLE, Found, Learn, changed, member, package
from runbook.settings.secret_source import SecretSource
from runbook.settings.stores import VaultSettings
from runbook.text import beginning

# They log addresses and errors.
for _name in ("hvac", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_REQUESTS = 3  # of one `set`: read, write, and read again after a refusal
_AT_ONCE = 2  # deadlines per request, because a login may come first
_LONGEST = 300  # characters of Vault's message
#: hvac's errors for a server that may answer later: sealed, starting, behind, or busy.
_NOT_NOW = ("VaultDown", "VaultNotInitialized", "InternalServerError", "BadGateway", "RateLimitExceeded",
            "PreconditionFailed", "UnexpectedError")  # fmt: skip
_MAY_SET = {"root", "update"}

_Found = TypeVar("_Found")


class Vault:
    """One key (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2)."""

    def __init__(  # noqa: PLR0913 - the secret, the server, and the login
        self,
        path: str,
        key: str,
        settings: VaultSettings,
        deadline: float,
        *,
        secret: Callable[[SecretSource], SecretStr],
        learn: Learn,
    ) -> None:
        """`secret` resolves the login's secrets. `learn` receives the other keys' values, and the token."""
        self.name = f"{key} of {path} in Vault"
        self.longest = _REQUESTS * _AT_ONCE * deadline
        self._path, self._key, self._settings, self._learn = path.strip("/"), key, settings, learn
        self._mount = settings.mount.strip("/")
        self._deadline, self._secret = deadline, secret
        self._connected: Any = None

    def read(self) -> Found:
        """Return the value of the newest version."""
        found, version = self._get()
        return Found(member(found, self._key, self.name, self._learn), version)

    def _get(self) -> tuple[dict[str, Any], str]:
        def call(client: Any) -> tuple[dict[str, Any], str]:
            answer = client.secrets.kv.v2.read_secret_version(
                path=self._path, mount_point=self._mount, raise_on_deleted_version=True
            )
            return dict(answer["data"]["data"]), str(answer["data"]["metadata"]["version"])

        return self._ask(self._command("get"), call)

    def set(self, value: str, seen: Found) -> None:
        """Write all keys, with this one changed, if the version is still the one seen (check-and-set)."""
        found, version = self._get()
        if version != seen.version:
            raise changed(self.name, self._command("get"))

        def call(client: Any) -> None:
            answer = client.secrets.kv.v2.create_or_update_secret(
                path=self._path, mount_point=self._mount, secret=found | {self._key: value}, cas=int(version)
            )
            answer["data"]["version"]  # without it the answer is not Vault's

        try:
            self._ask(self.by_hand(value), call)
        except StoreError:
            if self._get()[1] != version:
                raise changed(self.name, self._command("get")) from None
            raise

    def settable(self) -> str:
        """Ask Vault for the token's capabilities. Raises StoreError when it may not write."""
        place = f"{self._mount}/data/{self._path}"
        try:
            found: set[str] = self._ask(
                self._command("get"), lambda client: set(client.sys.get_capabilities(paths=[place])["capabilities"])
            )
        except StoreError:
            return "Vault does not tell this token beforehand whether it may set it"
        if not found & _MAY_SET:
            raise StoreError(
                f"{self.name}: expected a token that may update {place}, saw one that may {', '.join(sorted(found))}",
                f'add to its policy: path "{place}" {{ capabilities = ["read", "update"] }}',
            )
        return "the token may set it"

    def by_hand(self, value: str) -> str:
        """Return the Vault CLI command. It uses the token of `vault login`."""
        return self._command("patch", f"{self._key}={value}")

    def _command(self, verb: str, *assignments: str) -> str:
        namespace = (f"-namespace={self._settings.namespace}",) if self._settings.namespace else ()
        place = (*self._server, *namespace, f"-mount={self._mount}", self._path)
        return shlex.join(("vault", "kv", *verb.split(), *place, *assignments))

    @property
    def _server(self) -> tuple[str, ...]:
        settings = self._settings
        return (f"-address={settings.address}", *((f"-ca-cert={settings.ca_file}",) if settings.ca_file else ()))

    def _ask(self, by_hand: str, call: Callable[[Any], _Found]) -> _Found:
        """Return the result of `call` with hvac's client, within the deadline."""
        errors, broken = package("hvac.exceptions"), package("requests.exceptions")
        name, place = self.name, self._settings.address
        look = shlex.join(("vault", "status", *self._server))
        try:
            return within(_AT_ONCE * self._deadline, lambda: call(self._client()))
        except errors.InvalidPath as error:
            raise self._not_there(error.json, by_hand) from None
        except tuple(getattr(errors, each) for each in _NOT_NOW) as error:
            raise Inconclusive(f"{name}: Vault at {place} cannot answer now: {_said(error)}", look) from None
        except errors.VaultError as error:
            raise StoreError(f"{name}: Vault at {place} refuses: {_said(error)}", by_hand) from None
        except broken.RequestException as error:
            raise Inconclusive(f"{name}: Vault at {place} gave no answer: {type(error).__name__}", look) from None
        except TimeoutError as error:
            self._connected = None  # the abandoned call may still use it
            raise Inconclusive(f"{name}: Vault at {place} gave no answer: {error}", look) from None
        except UNREADABLE:
            raise Inconclusive(
                f"{name}: the answer from {place} cannot be read; it is a redirect, or not from Vault",
                f"name the active server itself in vault.address; {look}",
            ) from None

    def _not_there(self, answer: Any, by_hand: str) -> StoreError:
        try:
            newest = answer["data"]["metadata"]
            version, destroyed = int(newest["version"]), bool(newest["destroyed"])
        except UNREADABLE:
            where = f"Vault at {self._settings.address} has no such secret in the engine {self._mount}"
            return StoreError(f"{self.name}: {where}", by_hand)
        if destroyed:
            seen = f"its newest version, {version}, was destroyed"
            return StoreError(f"{self.name}: {seen}", self._command("metadata get"))
        seen = f"its newest version, {version}, was deleted at {newest.get('deletion_time')}"
        return StoreError(f"{self.name}: {seen}", self._command(f"undelete -versions={version}"))

    def _client(self) -> Any:
        if self._connected is None:
            settings = self._settings
            session = package("requests").Session()
            session.trust_env = False  # not the shell's proxies, like all requests
            session.verify = str(settings.ca_file) if settings.ca_file else True
            client = package("hvac").Client(
                url=settings.address,
                token="",
                namespace=settings.namespace,
                timeout=self._deadline,
                session=session,
                allow_redirects=False,  # a redirect would send the token elsewhere
            )
            if settings.token:
                client.token = self._sendable(settings.token)
            elif settings.secret_id:
                login = client.auth.approle.login(
                    settings.role_id,
                    self._secret(settings.secret_id).get_secret_value(),
                    mount_point=settings.approle_mount,
                )
                client.token = login["auth"]["client_token"]
                self._learn({"VAULT_TOKEN": client.token})
            self._connected = client
        return self._connected

    def _sendable(self, source: SecretSource) -> str:
        token = self._secret(source).get_secret_value()
        if wrong := unsendable({"X-Vault-Token": token}):
            raise SettingsError(f"vault.token cannot be sent: {wrong}", f"correct the secret in {source.describe()}")
        return token


def _said(error: Any) -> str:
    """Return Vault's message, or the beginning of the answer, which may be a proxy's page."""
    return beginning(str(error) if error.errors else f"{error.text or 'nothing'}, on {error.url}", _LONGEST)
