"""The production host as this machine."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from runbook.hosts.command import Begun, Command, Recorder
from runbook.hosts.engine.address import EngineAddress, engine_address
from runbook.hosts.engine.dialed import DialedEngine
from runbook.hosts.files.local import LocalFiles
from runbook.hosts.host import Host
from runbook.hosts.process import ManagedProcess, boot_id, process_start

# Variables passed on from the operator's shell. No others: Compose prefers shell variables to the env file, so an
# exported IMAGE_TAG would silently decide which release comes up.
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "SSH_AUTH_SOCK", "DOCKER_HOST", "DOCKER_CONTEXT",
              "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")  # fmt: skip


class LocalHost(Host):
    """The production host, reached as this machine."""

    def __init__(
        self, environment: Mapping[str, str], recorder: Recorder, patience: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`environment` is added to the variables passed on from the shell. `patience` is that of `Host`."""
        super().__init__(recorder, patience)
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # Must be English: some output is compared (`No such file or directory`).
        self._environment |= {"LC_ALL": "C.UTF-8"} | dict(environment)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of commands."""
        return self._environment

    def machine(self) -> tuple[str, str]:
        """Return this machine's name, and the ids of its boot and PID namespace."""
        return socket.gethostname(), boot_id()

    def process_start(self, process: int) -> str | None:
        """Return a process's start time; None when it does not run."""
        return process_start(process)

    def signal(self, process: int, number: int) -> None:
        """Send a signal to a command's process group. Does nothing if it is gone or belongs to another user."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, number)

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time()

    def files(self, deadline: float) -> LocalFiles:
        """Return the reader of this machine's files, which starts no command."""
        return LocalFiles(self._recorder, deadline)

    def peek(self, paths: Sequence[str]) -> list[bytes] | None:
        """Return the current bytes of files; None if a file cannot be read."""
        try:
            return [Path(path).read_bytes() for path in paths]
        except OSError:
            return None

    def engine_url(self) -> str:
        """Return the URL of the engine that `docker` uses on this machine. Raises EngineError when it is unknown."""
        return self._engine_found.url

    def _engine_address(self) -> EngineAddress:
        found = self._engine_found
        return EngineAddress(self._dialed.url, name=found.url, dialed=True) if found.url.startswith("ssh:") else found

    @cached_property
    def _engine_found(self) -> EngineAddress:
        return engine_address(self._environment, self.run)

    @cached_property
    def _dialed(self) -> DialedEngine:
        return DialedEngine(self.engine_url(), self._environment)

    def _process(self, command: Command) -> "_LocalProcess":
        return _LocalProcess(command.argv, self._environment, command.directory, command.stdin, command.most_output)


class _LocalProcess(ManagedProcess):
    def start(self) -> Begun:
        process = self.begin()
        return Begun(process, process_start(process), socket.gethostname(), boot_id())

    def release(self) -> None:
        """Do nothing: the process already runs, and is known from its start."""

    def ended_with(self) -> int:
        return self.exit_code

    def at_large(self) -> bool:
        return False
