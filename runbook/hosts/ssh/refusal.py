"""Errors for failed SSH connections: the cause, read from ssh's output, and one command that helps."""

import re
import shlex

from runbook.errors import NoConnection
from runbook.hosts.command import error_line
from runbook.settings.host import SshAddress

# ssh names the machine of the key as its files do. It may be a jump host.
_CHANGED = re.compile(r"Host key for (\S+) has changed")
_OLD_KEY = re.compile(r"^Offending \S+ key in (.+):(\d+)\s*$", re.MULTILINE)
_UNKNOWN = re.compile(r"No \S+ host key is known for (\S+) and")

# What ssh prints, and what helps. The first match counts.
_HELP = (
    ("Host key verification failed", "compare its key with the one you expect, and accept it: {accept}"),
    ("Permission denied", "add your public key to the host, or load your key into the agent: ssh-add; then try: {ssh}"),
    ("Too many authentication failures", "set its key in ssh's configuration (IdentityFile, IdentitiesOnly): {ssh}"),
    ("Could not resolve hostname", "correct host.address in the settings, or ssh's configuration: {ssh}"),
    ("Connection refused", "check that an SSH server listens there: {ssh}"),
    ("Bad configuration option", "use OpenSSH 8.7 or newer; to see yours: ssh -V"),
)  # fmt: skip
#: ssh prints this when the server accepted the connection and closed it at once, with too many waiting (MaxStartups).
_TURNED_AWAY = "kex_exchange_identification"


def turned_away(said: str) -> bool:
    """Return whether the server turned the connection away, so that a later attempt may succeed."""
    return _TURNED_AWAY in said


def typed(address: SshAddress, config: tuple[str, ...], *options: str, remote: str = "true") -> str:
    """Return the command to type to see whether the host answers."""
    words = (word for word in address.words if word != "--")
    return shlex.join(("ssh", *config, *(word for each in options for word in ("-o", each)), *words, remote))


def refusal(address: SshAddress, config: tuple[str, ...], said: str) -> NoConnection:
    """Return the error for a failed connection. `said` is the output of ssh."""
    why, help_with = _why(said)
    accept = typed(address, config, "StrictHostKeyChecking=ask")
    return NoConnection(
        f"no SSH connection to {address}, expected one without a prompt: {why}",
        help_with.format(ssh=typed(address, config), accept=accept),
    )


def runs_nothing(address: SshAddress, config: tuple[str, ...], printed: str) -> NoConnection:
    """Return the error for a host that accepts the connection but runs no command."""
    return NoConnection(
        f"{address} accepts the connection but runs no command, expected a login shell; it printed:"
        f" {printed or 'nothing'}",
        f"give the user a login shell, and no ForceCommand in sshd_config; to see its answer: {typed(address, config)}",
    )


def _why(said: str) -> tuple[str, str]:
    if changed := _CHANGED.search(said):
        old = _OLD_KEY.search(said)
        where = f": it is not the one in {old[1]}, line {old[2]}" if old else ""
        words = ("ssh-keygen", "-R", changed[1], *(("-f", old[1]) if old else ()))
        forget = shlex.join(words).replace("{", "{{").replace("}", "}}")
        return (
            f"the host key of {changed[1]} HAS CHANGED{where}",
            f"find out why it changed; then remove the old key: {forget}",
        )
    if unknown := _UNKNOWN.search(said):
        return f"no host key of {unknown[1]} is known here", _HELP[0][1]
    found = next(((words, text) for words, text in _HELP if words in said), None)
    return found or (error_line(said) or "ssh printed nothing", "check the network, and try: {ssh}")
