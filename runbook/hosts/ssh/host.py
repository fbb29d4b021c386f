"""The production host over SSH: the operator's ssh, one shared connection, nothing left running on the host."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from types import TracebackType
from typing import Self

from runbook.errors import ConnectionLost, HostError, NoConnection
from runbook.hosts.command import Begun, Command, Recorder
from runbook.hosts.engine.address import EngineAddress
from runbook.hosts.host import Host
from runbook.hosts.process import ManagedProcess
from runbook.hosts.signals import signals_blocked
from runbook.hosts.ssh import script
from runbook.hosts.ssh.connection import Connection, environment

_FIRST_LOOK, _PAUSE = 0.001, 0.01  # seconds between two polls: the first, and the longest
_ANSWERS = 20.0  # seconds until the script on the host must have reported its process
_ENDS = script.KILLED_AFTER + 2.0  # seconds until a stopped command must have ended
_TRIES = 2  # attempts: a command that was not begun is safe to begin again
_ENGINE = "/var/run/docker.sock"
# The fourth field after the name in parentheses is the session (proc(5)). The command has its own process group there.
_TO_SESSION = (
    'for f in /proc/[0-9]*/stat; do read -r s <"$f" || continue; s=${{s##*") "}}; set -- $s; '
    '[ "$4" != {session:d} ] || {{ p=${{f#/proc/}}; kill -{number:d} "${{p%/stat}}"; }}; done 2>/dev/null; true'
)
_CONTEXT = """
[ -n "${DOCKER_CONTEXT-}" ] || grep -qs '"currentContext"' "${DOCKER_CONFIG:-$HOME/.docker}/config.json" || exit 0
exec docker context inspect --format '{{.Endpoints.docker.Host}}'
"""
_TROUBLE = """
case "$1" in /*) ;; *) exit ;; esac
[ -S "$1" ] || { echo "there is no socket $1"; exit; }
[ -w "$1" ] || echo "user $(id -un) (groups $(id -Gn)) has no access to $1 (group $(stat -c %G "$1"))"
"""
_ASKED = 20.0  # seconds
_STATE = "cd /proc; cat sys/kernel/hostname; echo $(cat sys/kernel/random/boot_id) $(readlink self/ns/pid)"


class SshHost(Host):
    """The production host, reached over SSH."""

    def __init__(
        self,
        connection: Connection,
        environment: Mapping[str, str],
        recorder: Recorder,
        patience: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`environment` is added to the login shell's variables. `patience` is that of `Host`."""
        super().__init__(recorder, patience)
        self.connection = connection
        self._added = {"LC_ALL": "C.UTF-8"} | dict(environment)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of commands. Raises NoConnection."""
        return {**self.connection.environment, **self._added}

    @property
    def address(self) -> str:
        """The host's address from the settings."""
        return str(self.connection.address)

    @property
    def tunnel(self) -> Connection:
        """The shared connection, which leads to the addresses that the host reaches."""
        return self.connection

    @property
    def out_of_reach(self) -> bool:
        """Whether the last attempt to connect to the host failed."""
        return self.connection.out_of_reach

    def machine(self) -> tuple[str, str]:
        """Return the host's name, and the ids of its boot and PID namespace. Raises NoConnection."""
        name, _, boot = self.connection.ask(_STATE).decode("utf-8", errors="replace").strip().partition("\n")
        return name, boot

    def process_start(self, process: int) -> str | None:
        """Return the start time of a process on the host; None when it does not run. Raises NoConnection."""
        stat = self.connection.ask(f"cat /proc/{process:d}/stat 2>/dev/null || true").decode("utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return None if not fields or fields[0] == "Z" else fields[19]

    def signal(self, process: int, number: int) -> None:
        """Send a signal to a command. Raises NoConnection.

        SIGTERM goes to its script, which passes it on. Other signals go to all processes of its session.
        """
        if number == signal.SIGTERM:
            self.connection.ask(f"kill -s TERM {process:d} 2>/dev/null || true")
        else:
            self.connection.ask(_TO_SESSION.format(session=process, number=number))

    def now(self) -> float:
        """Return the time of the host's clock, in seconds since 1970. Raises NoConnection."""
        return self.connection.now()

    def engine_url(self) -> str:
        """Return the URL at which this machine reaches the host's engine. Raises HostError."""
        named = self.environment.get("DOCKER_HOST") or self._engine_of_context
        scheme, _, place = named.partition("://")
        with_tls = scheme == "tcp" and "DOCKER_TLS_VERIFY" in self.environment
        if scheme not in ("unix", "tcp") or not place or with_tls:
            raise HostError(
                f"the engine of {self.address} is at {named!r}{' with TLS' if with_tls else ''}, expected a"
                " unix:// or tcp:// address without TLS, as the host's user reaches it",
                "set DOCKER_HOST in host.environment in the settings",
            )
        return f"unix://{self.connection.forward(place)}"

    def _engine_address(self) -> EngineAddress:
        return EngineAddress(self.engine_url(), name=self.address, trouble=self._engine_trouble)

    def _engine_trouble(self) -> str:
        """Return why this user cannot reach the engine's socket. sshd does not report it."""
        place = (self.environment.get("DOCKER_HOST") or self._engine_of_context).partition("://")[2]
        try:
            return self.run(Command(("sh", "-c", _TROUBLE, "sh", place), _ASKED)).text.strip()
        except HostError as error:
            return error.seen

    @cached_property
    def _engine_of_context(self) -> str:
        # docker runs only if a context is chosen, because it is slow to start.
        found = self.check(Command(("sh", "-c", _CONTEXT), _ASKED)).text.strip()
        return found or f"unix://{_ENGINE}"

    def _process(self, command: Command) -> "_RemoteProcess":
        return _RemoteProcess(self, command)


class _RemoteProcess:
    """A command on the host, behind a local ssh that shares the connection."""

    def __init__(self, host: SshHost, command: Command) -> None:
        self._host = host
        self._command = command
        self._mark = ""
        self._ssh: ManagedProcess | None = None
        self._begun: Begun | None = None
        self._released = False
        self._at_large = False
        self._over = threading.Event()
        self._lifeline: int | None = None
        self._content = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._close()

    def start(self) -> Begun:
        """Connect, and start the script on the host, which then waits. Raises NoConnection when that fails twice."""
        for left in reversed(range(_TRIES)):
            try:
                self._begun = self._started()
            except NoConnection:
                self._close()
                if not left:
                    raise
            else:
                return self._begun
        raise AssertionError("the last try returns or raises")

    def _started(self) -> Begun:
        self._mark = f"rb{secrets.token_hex(8)}"
        argv = self._host.connection.argv(script.starter(self._mark))
        self._content = script.message(self._command, self._host.environment, self._mark)
        read_end, self._lifeline = os.pipe()
        try:
            self._ssh = ssh = ManagedProcess(argv, environment(), None, read_end, self._command.most_output)
            ssh.begin()
        finally:
            os.close(read_end)
        until = time.monotonic() + _ANSWERS
        pause = _FIRST_LOOK
        while (begun := script.begun(ssh.output()[1], self._mark)) is None:
            late = time.monotonic() > until
            if ssh.wait(pause) or late:
                if (begun := script.begun(ssh.output()[1], self._mark)) is not None:
                    break
                if late:
                    self._host.connection.drop()
                ssh.stop()
                said = " ".join(ssh.output()[1].decode("utf-8", errors="replace").split())
                raise NoConnection(
                    f"`{self._command}` was not started: {self._host.address} gave no answer{said and f' ({said})'}",
                    f"check that the host answers: {self._host.connection.typed}",
                )
            pause = min(pause * 1.5, _PAUSE)
        return begun

    def release(self) -> None:
        """Send the command, in a thread that then holds the lifeline."""
        self._released = True
        with signals_blocked():
            threading.Thread(target=self._feed, args=(self._lifeline,), daemon=True).start()
        self._lifeline = None

    def _feed(self, lifeline: int) -> None:
        with suppress(OSError), os.fdopen(lifeline, "wb", buffering=0) as pipe:
            rest = memoryview(self._content)
            while rest:
                rest = rest[pipe.write(rest) :]
            self._over.wait()

    def wait(self, seconds: float) -> bool:
        """Wait for ssh to end. It ends with the command or with the connection."""
        return self._known.wait(seconds)

    def ended_with(self) -> int:
        """Return the command's exit code. Raises ConnectionLost, or HostError when it could not be started."""
        found = script.ended(self._known.output()[1], self._mark)
        if found is None:
            self._make_sure()
            raise self._lost()
        if found.trouble == "stopped":  # and not by us
            raise self._lost()
        if found.exit_code is None:
            what = self._command.directory if found.trouble == "folder" else self._command.argv[0]
            raise HostError(
                f"`{self._command}` could not be started on {self._host.address}: there is no {what}",
                f"check on the host: {self._host.connection.typed.removesuffix(' true')}",
            )
        return found.exit_code

    def _lost(self) -> ConnectionLost:
        stopped = "it may still be running there" if self._at_large else "it is no longer running there"
        return ConnectionLost(
            f"the connection to {self._host.address} was lost while `{self._command}` ran: {stopped}; its effect until"
            " then is unknown",
            f"check that the host answers: {self._host.connection.typed}",
        )

    def output(self) -> tuple[bytes, bytes]:
        """Return the command's output so far, without the script's lines and the login shell's greeting."""
        stdout, stderr = self._known.output()
        return script.without_greeting(stdout, self._mark), script.without_marks(stderr, self._mark)

    def exceeded_output(self) -> bool:
        """Return whether either output is above the command's `most_output`."""
        return self._known.exceeded_output()

    def stop(self) -> bool:
        """Close the lifeline, which stops the command on the host. False if the command was never sent."""
        if self._ssh is None or not self._released:
            self._close()
            return False
        self._over.set()
        if not self._ssh.wait(_ENDS) or script.ended(self._ssh.output()[1], self._mark) is None:
            self._ssh.stop()
            self._make_sure()
        return True

    def at_large(self) -> bool:
        """Return whether the command may still be running on the host."""
        return self._at_large

    def _make_sure(self) -> None:
        """Check whether the command has ended on the host, over a new connection if needed. Stop it if it has not."""
        begun, host = self._begun, self._host
        if begun is None:
            return
        self._at_large = True
        with suppress(HostError):
            until = time.monotonic() + _ENDS
            while self._runs(begun) and time.monotonic() < until:
                time.sleep(_PAUSE * 10)
            for number in (signal.SIGTERM, signal.SIGKILL):
                if self._runs(begun):
                    host.signal(begun.process, number)
                    time.sleep(_ENDS / 2)
            self._at_large = self._runs(begun)

    def _runs(self, begun: Begun) -> bool:
        return self._host.machine()[1] == begun.boot and self._host.process_start(begun.process) == begun.started

    @property
    def _known(self) -> ManagedProcess:
        if self._ssh is None:
            raise OSError("it did not start")
        return self._ssh

    def _close(self) -> None:
        self._over.set()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._ssh is not None and not self._released:
            self._ssh.stop()
        if self._ssh is not None:
            self._ssh.__exit__()
