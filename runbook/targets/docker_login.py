"""Docker's logins, found as by `docker pull`: in its configuration, or through a credential helper.

https://docs.docker.com/reference/cli/docker/login/#credential-stores
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from runbook.errors import RunbookError
from runbook.hosts.command import Command
from runbook.hosts.host import Host

#: The key under which docker stores the login of Docker Hub, whose registry has other addresses.
_DOCKER_HUB = "https://index.docker.io/v1/"
_HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_HELPER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LARGEST = 1 << 20  # bytes
#: The user name that a helper returns with an identity token, which must be exchanged for another token.
_IDENTITY = "<token>"


@dataclass(frozen=True)
class Login:
    """A user name with a password, or a token that the registry's token service exchanges (`is_token`)."""

    username: str
    password: SecretStr
    is_token: bool = False

    def basic(self) -> dict[str, str]:
        """Return the header for basic authentication; empty for a token, which only the token service takes."""
        if self.is_token:
            return {}
        pair = f"{self.username}:{self.password.get_secret_value()}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}

    def refreshing(self) -> dict[str, str]:
        """Return the form that exchanges the token (https://distribution.github.io/distribution/spec/auth/oauth/)."""
        return {
            "grant_type": "refresh_token",
            "client_id": "rollback-runbook",
            "refresh_token": self.password.get_secret_value(),
        }


def docker_login(host: Host, registry: str, deadline: float, learn: Callable[[str, str], None]) -> Login | None:
    """Return the production host's docker login at `registry` (a host, with its port), or None.

    `learn` receives the secret before it is used. If the login cannot be read, the result is None: the registry will
    then ask for a login.
    """
    server = _DOCKER_HUB if registry in _HUB_HOSTS else registry
    configuration = docker_configuration(host, deadline)
    # An empty helper name for this registry means that its login is in the file.
    helper = _members(configuration.get("credHelpers")).get(server, configuration.get("credsStore"))
    found = _by_helper(host, helper, server, deadline) if helper else _in_file(configuration, server)
    if found is not None:
        learn(f"registry login of {registry}", found.password.get_secret_value())
    return found


def docker_configuration(host: Host, deadline: float) -> Mapping[str, Any]:
    """Return docker's configuration on the production host; empty when it cannot be read."""
    home = host.environment.get("HOME")
    folder = host.environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else None)
    if folder is None:
        return {}
    return _asked(host, Command(("cat", "--", f"{folder}/config.json"), deadline, secret_output=True))


def _by_helper(host: Host, helper: Any, server: str, deadline: float) -> Login | None:
    if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
        return None
    asking = Command((f"docker-credential-{helper}", "get"), deadline, stdin=server.encode(), secret_output=True)
    given = _asked(host, asking)
    username, secret = given.get("Username"), given.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str) or not secret:
        return None
    return Login("" if username == _IDENTITY else username, SecretStr(secret), is_token=username == _IDENTITY)


def _in_file(configuration: Mapping[str, Any], server: str) -> Login | None:
    logins = _members(configuration.get("auths"))
    # Older versions of docker used URLs as keys.
    named = server if server in logins else next((name for name in logins if _host_of(name) == server), "")
    login = _members(logins.get(named))
    token, auth = login.get("identitytoken"), login.get("auth")
    if isinstance(token, str) and token:
        return Login("", SecretStr(token), is_token=True)
    try:
        pair = base64.b64decode(auth, validate=True).decode() if isinstance(auth, str) else ""
    except (binascii.Error, ValueError):
        return None
    username, _, password = pair.partition(":")
    if not auth:  # other programs write user name and password in plain text
        username, password = str(login.get("username") or ""), str(login.get("password") or "")
    return Login(username, SecretStr(password.strip("\0"))) if username and password else None


def _host_of(name: str) -> str:
    return name.partition("://")[2].partition("/")[0] or name.partition("/")[0]


def _asked(host: Host, command: Command) -> Mapping[str, Any]:
    try:
        answer = host.run(command)
        return _members(json.loads(answer.stdout[:_LARGEST])) if answer.exit_code == 0 else {}
    except (RunbookError, ValueError, RecursionError):
        return {}


def _members(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
