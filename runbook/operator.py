"""Who runs the runbook, from where, and on which host."""

import getpass
import ipaddress
import os
import re
from collections.abc import Mapping

_LINK = re.compile(r"https?://[\w.-]+(:[0-9]+)?(/[^\s<>\"']*)?", re.ASCII)


def operator(environment: Mapping[str, str] | None = None) -> str:
    """Return the name of the user who runs this, and of the person behind `sudo`.

    >>> operator({"SUDO_USER": "alice"}).endswith("(by sudo: alice)")
    True
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an account
        user = f"user {os.getuid()}"
    person = (os.environ if environment is None else environment).get("SUDO_USER", "")
    return f"{user} (by sudo: {person})" if person not in ("", user) else user


def operator_from(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of the CI job that runs this, or the IP address of the SSH client; None without either.

    >>> operator_from({"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22"})
    '192.0.2.7'
    """
    variables = os.environ if environment is None else environment
    return _job(variables) or _ssh_client(variables.get("SSH_CONNECTION", ""))


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
