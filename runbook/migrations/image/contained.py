"""Containers that run an image's code to read from it: without network and capabilities, with limited resources.

An image may be hostile or broken, and it runs on the production host.
"""

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import replace

from runbook.errors import CommandSaidTooMuch, CommandTimedOut, HostError, Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.hosts.host import Host

#: The label of every container of a probe. Such a container is left over only if its run was killed.
LABEL = "io.rollback-runbook.probe"
_NAME = "rollback-runbook-probe-"
_UNTIL = f"{LABEL}.until"  # seconds since 1970
MOST_OUTPUT = 8 * 1024 * 1024  # bytes, for standard output and standard error each
_REMOVAL = 30.0  # seconds
_SCRATCH = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - inside the container
_READ_ONLY = (
    "--read-only",
    *(word for place in _SCRATCH for word in ("--tmpfs", f"{place}:rw,nosuid,nodev,mode=1777,size=64m")),
)
_LIMITS = (
    "--network", "none", "--pull", "never", "--log-driver", "none", "--no-healthcheck", "--restart", "no",
    # The image's user, without capabilities: even root is bound by file modes.
    "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    # --memory-swap is memory plus swap. Equal to --memory it means no swap.
    "--memory", "1g", "--memory-swap", "1g", "--cpus", "1", "--pids-limit", "256",
    "--ulimit", "core=0", "--ulimit", "nofile=1024", "--ulimit", f"fsize={64 * 1024 * 1024}",
)  # fmt: skip


def contained(  # noqa: PLR0913 - the program, the image and the limits
    image: str, python: str, *arguments: str, program: bytes, deadline: float, now: float, secret: bool = True
) -> Command:
    """Return the command that runs `program` with `python` in `image` (a digest or ID). Run it with `run_contained`.

    `deadline` is in seconds, `now` is the host's clock. `arguments` become `sys.argv[1:]`. The file system is read-only
    except for temporary folders. The output of a `secret` program is not recorded.
    """
    until = int(now + 2 * (deadline + _REMOVAL))  # it may run twice, see `may_write`
    argv = (
        "docker", "run", "--rm", "--interactive", "--name", f"{_NAME}{secrets.token_hex(8)}",
        "--label", f"{LABEL}=1", "--label", f"{_UNTIL}={until}", *_LIMITS, *_READ_ONLY,
        "--entrypoint", python, image, "-", *arguments,
    )  # fmt: skip
    return Command(argv, deadline, stdin=program, secret_output=secret, most_output=MOST_OUTPUT)


def may_write(command: Command) -> Command:
    """Return the same command with a writable file system."""
    at = command.argv.index("--read-only")
    return replace(command, argv=(*command.argv[:at], *command.argv[at + len(_READ_ONLY) :]))


def run_contained(host: Host, image: str, command: Command) -> Completed:
    """Run a command of `contained`. Its container is always removed.

    Raises Inconclusive when it exceeds its deadline or prints too much.
    """
    container = command.argv[command.argv.index("--name") + 1]
    try:
        return host.run(command)
    except CommandTimedOut:
        seen = f"did not answer within {command.deadline:g} s"
        next_step = "raise deadlines.command, or check what its Python does at startup"
    except CommandSaidTooMuch:
        seen = f"printed more than {MOST_OUTPUT >> 20} MiB and was stopped"
        next_step = "check what its Python and its env.py print at startup"
    except BaseException:
        _remove(host, container)
        raise
    raise Inconclusive(f"the image {image} {seen}{_remove(host, container)}", next_step)


def remove_overdue(host: Host, deadline: float) -> None:
    """Remove the containers that killed runs left, if the engine lists them within `deadline` seconds."""
    with contextlib.suppress(HostError):
        # The name must match too: a container also has the labels of its image, which is not trusted.
        sweep(host, "container", {"name": f"^{_NAME}", "label": LABEL}, _UNTIL, deadline)


def sweep(host: Host, kind: str, filters: Mapping[str, str], until: str, deadline: float) -> None:
    """Remove every container or network (`kind`) that matches the engine's `filters` and has expired.

    The label named by `until` holds the expiry time, in seconds since 1970. `deadline` is in seconds. Raises HostError
    when the engine cannot list them.
    """
    now = host.now()
    pairs = [(found, str(labels.get(until, ""))) for found, labels in host.engine.labelled(kind, filters, deadline)]
    overdue = [found for found, over in pairs if over.isdigit() and int(over) < now]
    if overdue:
        remove = ("rm", "--force", "--volumes") if kind == "container" else ("rm",)
        host.run(Command(("docker", kind, *remove, *overdue), 2 * _REMOVAL))


def _remove(host: Host, container: str) -> str:
    """Remove a container that outlived its client. Return the text to append to the message if that fails."""
    try:
        done = host.run(Command(("docker", "rm", "--force", "--volumes", container), _REMOVAL))
    except HostError as error:
        return f", and its container {container} may still be running: {error.seen}"
    if done.exit_code == 0 or b"No such container" in done.stderr:
        return ""
    return f", and its container {container} could not be removed: {done.last_line}"
