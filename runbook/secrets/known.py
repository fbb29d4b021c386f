"""The secrets known before any look at production: of this process, docker's logins, and the settings."""

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from runbook.errors import CommandTimedOut, Inconclusive, RunbookError
from runbook.secrets.redactor import Redactor, passwords_of_url, secrets_in
from runbook.settings.schema import Settings
from runbook.settings.secret_source import StoreAddress

_LOGIN = "registry login of "
_TOKENS = ("auth", "identitytoken", "registrytoken", "password")


def redactor_for(settings: Settings) -> Redactor:
    """Return a redactor with the secrets of this process's environment, docker's logins and the settings' files.

    `learn_production` adds those of production before anything is written.
    """
    redactor = Redactor()
    for variables in (os.environ, settings.host.environment):
        redactor.learn_all(secrets_in(variables, settings.record.secret_variables))
        redactor.learn_all(registry_logins({**os.environ, **variables}))
    learn_sources(settings, {}, redactor)
    return redactor


def learn_sources(
    settings: Settings,
    env_values: dict[str, str],
    redactor: Redactor,
    ask_store: Callable[[StoreAddress], SecretStr] | None = None,
) -> None:
    """Add the secrets that the settings name to `redactor`, as far as they can be read.

    `ask_store` reads a secret store. After a store gives no answer, it is not asked again.
    """
    silent = set()
    for name, source in settings.secret_sources().items():
        # The code that needs a missing secret reports it. A secret that cannot be read cannot leak.
        if source.kind in silent:
            continue
        try:
            redactor.learn(name, source.resolve(env_values, ask_store).get_secret_value())
        except (Inconclusive, CommandTimedOut):
            silent.add(source.kind)
        except RunbookError:
            continue


def registry_logins(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name, secret) for the registry and proxy logins in docker's configuration.

    Reads `config.json` in DOCKER_CONFIG, or else in HOME/.docker, of `environment`. Yields nothing when it cannot be
    read. Logins in a credential helper are not found.
    """
    home = environment.get("HOME")
    folder = environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else None)
    if folder is None:
        return
    try:
        found = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    yield from logins_in(_members(found))


def logins_in(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, secret) for the registry and proxy logins in docker's configuration."""
    for registry, login in _members(configuration.get("auths")).items():
        for key, value in _members(login).items():
            if key.lower() in _TOKENS and isinstance(value, str):
                yield f"{_LOGIN}{registry}", value
                if key.lower() == "auth":
                    yield f"{_LOGIN}{registry}", _password_of(value)
    for name, value in _members(configuration.get("HttpHeaders")).items():
        yield f"header {name} of docker", str(value)
    for place, proxies in _members(configuration.get("proxies")).items():
        for value in _members(proxies).values():
            yield from ((f"proxy of {place}", password) for password in passwords_of_url(str(value)))


def _members(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _password_of(auth: str) -> str:
    try:
        return base64.b64decode(auth, validate=True).decode("utf-8", errors="surrogateescape").partition(":")[2]
    except binascii.Error:
        return ""
