"""The logins that docker keeps in its configuration: secrets, wherever a registry or a proxy repeats them."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runbook.secrets.redactor import passwords_of_url

_LOGIN = "registry login of "
_TOKENS = ("auth", "identitytoken", "registrytoken", "password")


def registry_logins(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name, secret) for what docker's configuration keeps of registries and proxies.

    It is that of DOCKER_CONFIG, or else of HOME, in `environment`. One that cannot be read yields nothing. What a
    credential helper keeps is not in there.
    """
    home = environment.get("HOME")
    folder = environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else None)
    if folder is None:
        return
    try:
        found = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    for registry, login in _members(_members(found).get("auths")).items():
        for key, value in _members(login).items():
            if key.lower() in _TOKENS and isinstance(value, str):
                yield f"{_LOGIN}{registry}", value
                if key.lower() == "auth":
                    yield f"{_LOGIN}{registry}", _password_of(value)
    for name, value in _members(_members(found).get("HttpHeaders")).items():
        yield f"header {name} of docker", str(value)
    for place, proxies in _members(_members(found).get("proxies")).items():
        for value in _members(proxies).values():
            yield from ((f"proxy of {place}", password) for password in passwords_of_url(str(value)))


def _members(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _password_of(auth: str) -> str:
    try:
        return base64.b64decode(auth, validate=True).decode("utf-8", errors="surrogateescape").partition(":")[2]
    except binascii.Error:
        return ""
