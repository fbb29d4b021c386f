"""Who runs the runbook, from where, and on which host."""

import getpass
import ipaddress
import os
import re
from collections.abc import Mapping

from runbook.errors import RunbookError
from runbook.production.compose import Production

_DEADLINE = 10.0  # seconds, for the engine to say its name
_ENGINES = ("DOCKER_HOST", "DOCKER_CONTEXT")
_LINK = re.compile(r"https?://[\w.-]+(:[0-9]+)?(/[^\s<>\"']*)?", re.ASCII)


def operator(environment: Mapping[str, str] | None = None) -> str:
    """The name of the user who runs this; with the name of the person behind it where `sudo` tells one."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an account
        user = f"user {os.getuid()}"
    person = (os.environ if environment is None else environment).get("SUDO_USER", "")
    return f"{user} (by sudo: {person})" if person not in ("", user) else user


def operator_from(environment: Mapping[str, str] | None = None) -> str | None:
    """The address of the CI job that runs this, or else the network address of the SSH client; None without either."""
    variables = os.environ if environment is None else environment
    return _job(variables) or _ssh_client(variables.get("SSH_CONNECTION", ""))


def production_host(production: Production) -> dict[str, str | None]:
    """The name of the machine whose engine is used (`host`), and the variable that led there (`engine`); or None each.

    Besides `engine_version` and `compose_version`. Raises nothing: a production whose host does not say its name can be
    rolled back all the same.
    """
    name, _, version = _answer(production, "docker", "info", "--format", "{{.Name}} {{.ServerVersion}}").partition(" ")
    # In docker's own order; without either it is the engine of this machine.
    given = (
        f"{word}={production.host.environment[word]}" for word in _ENGINES if production.host.environment.get(word)
    )
    return {
        "host": name or None,
        "engine": next(given, None),
        "engine_version": version or None,
        "compose_version": _answer(production, "docker", "compose", "version", "--short") or None,
    }


def _answer(production: Production, *argv: str) -> str:
    """What a command says on one line; empty if it does not say it in time."""
    try:
        answer = production.host.run(production.command(*argv, deadline=_DEADLINE))
    except RunbookError:
        return ""
    return " ".join(answer.text.split()) if answer.exit_code == 0 else ""


def _job(variables: Mapping[str, str]) -> str | None:
    run = variables.get("GITHUB_RUN_ID")
    given = f"{variables.get('GITHUB_SERVER_URL', '')}/{variables.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
    link = given if run else variables.get("CI_JOB_URL", "")
    return link if _LINK.fullmatch(link) else None


def _ssh_client(connection: str) -> str | None:
    # `client port server port` (sshd(8)); anybody can set it to anything.
    words = connection.split()
    try:
        return str(ipaddress.ip_address(words[0])) if words else None
    except ValueError:
        return None
