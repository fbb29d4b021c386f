"""The operator: the user who runs the runbook, and the CI job or SSH client behind the run."""

import getpass
import ipaddress
import os
import re
from collections.abc import Mapping

_LINK = re.compile(r"https?://[\w.-]+(:[0-9]+)?(/[^\s<>\"']*)?", re.ASCII)


def operator(environment: Mapping[str, str] | None = None) -> str:
    """Return the name of the current user, and of the person behind `sudo`.

    >>> operator({"SUDO_USER": "alice"}).endswith("(by sudo: alice)")
    True
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no account
        user = f"user {os.getuid()}"
    person = (os.environ if environment is None else environment).get("SUDO_USER", "")
    return f"{user} (by sudo: {person})" if person not in ("", user) else user


def operator_from(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of the current CI job, or else the IP address of the SSH client, or None.

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
    # `client port server port` (sshd(8)); the user can set it to anything.
    words = connection.split()
    try:
        return str(ipaddress.ip_address(words[0])) if words else None
    except ValueError:
        return None
