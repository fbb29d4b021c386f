"""How a command runs on the production host: with a deadline, with a clean environment, and on record."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from runbook.errors import (
    CommandFailed,
    CommandSaidTooMuch,
    CommandTimedOut,
    EngineError,
    HostError,
)
from runbook.hosts.command import Command, Completed, Recorder
from runbook.hosts.process import ManagedProcess

_Found = TypeVar("_Found")

# What a command sees of the operator's shell. Compose prefers shell variables to the env file, so an
# IMAGE_TAG that somebody exported an hour ago would silently decide which release comes up.
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "SSH_AUTH_SOCK", "DOCKER_HOST", "DOCKER_CONTEXT",
              "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")  # fmt: skip

_EARSHOT = 0.2  # seconds between two looks at what a talking command has said
_AFTERMATH = 60.0  # seconds, for what must be run after a command was stopped
_PAUSE = 0.5  # seconds, before something is asked again

# What docker says, whatever it was asked, when no engine answers it. Its exit code, 1, is that of any other error.
_NO_ENGINE = ("cannot connect to the docker daemon", "error during connect", "failed to connect to the docker api")


class Host:
    """The production host, reached as this machine."""

    def __init__(
        self, environment: Mapping[str, str], recorder: Recorder, patience: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`environment` is added to what commands see (docker's configuration folder, say).

        `patience` is for how long, in seconds, something is asked again that gave no answer that can be read.
        """
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # What commands say is read here and there (`No such file or directory`): in English, as bytes are bytes.
        self._environment |= {"LC_ALL": "C.UTF-8"} | dict(environment)
        self._recorder = recorder
        self._patience = patience

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands see."""
        return self._environment

    def run(self, command: Command) -> Completed:
        """Run a command and return how it ended, whatever its exit code.

        Raises CommandTimedOut at its deadline and CommandSaidTooMuch above its `most_output`, after its whole process
        group was stopped, EngineError when it is docker's and no engine answers, and HostError when it cannot be
        started.
        """
        with ManagedProcess(
            command.argv, self._environment, command.directory, command.stdin, command.most_output
        ) as started:
            return self._carry_through(command, started)

    def _carry_through(self, command: Command, started: ManagedProcess) -> Completed:
        began = time.monotonic()
        try:
            self._recorder.command_began(command, started.start())
            in_time = self._hear_out(started, command, began + command.deadline)
            too_much = started.exceeded_output()
            if too_much or not in_time:
                self._stop(started, command)
        except OSError as error:
            begun = self._stop(started, command)
            self._recorder.command_stopped(command, str(error))
            raise _lost_sight(command, error) if begun else _not_started(command, error) from None
        except BaseException:
            # Ctrl-C and the like: nothing that we began may go on behind our back.
            self._stop(started, command)
            self._recorder.command_stopped(command, "interrupted")
            raise
        if too_much:
            most = f"{command.most_output} bytes"
            self._recorder.command_stopped(command, f"stopped since it printed more than {most}")
            raise CommandSaidTooMuch(
                f"`{command}` printed more than {most} and was stopped",
                "look at what it prints, on the production host",
            )
        if not in_time:
            self._recorder.command_stopped(command, f"stopped at its deadline of {command.deadline:g} s")
            raise CommandTimedOut(
                f"`{command}` did not end within {command.deadline:g} s and was stopped",
                "look at the production host (is the engine answering?), or raise its value under [deadlines]",
            )
        completed = Completed(command, started.exit_code, *started.output(), time.monotonic() - began)
        self._recorder.command_ended(completed)
        if _no_engine(completed):
            raise EngineError(
                f"`{command}` reached no Docker engine: {completed.last_line}",
                "see to it that the engine runs, and that this user may ask it: `docker version`",
            )
        return completed

    def _hear_out(self, started: ManagedProcess, command: Command, until: float) -> bool:
        """Wait for its end, and pass on what a talking command says meanwhile; tell whether it ended in time.

        The wait ends as well when it has said too much.
        """
        heard = 0
        watched = command.streams_progress or command.most_output is not None
        while watched and time.monotonic() + _EARSHOT < until:
            if started.wait(_EARSHOT) or started.exceeded_output():
                return True
            if not command.streams_progress:
                continue
            said = started.output()[1]
            whole = said.rfind(b"\n") + 1
            for line in said[heard:whole].decode("utf-8", errors="replace").splitlines():
                self._recorder.command_said(command, line)
            heard = max(heard, whole)
        return started.wait(until - time.monotonic())

    def _stop(self, started: ManagedProcess, command: Command) -> bool:
        """End it, and what it has begun elsewhere; tell whether it had begun."""
        begun = started.stop()
        if begun and command.if_stopped:
            # Why it was stopped is the news; how this ended is on record.
            with contextlib.suppress(HostError):
                self.run(cleanup_command(command.if_stopped, command.directory))
        return begun

    def ask(self, command: Command, read: Callable[[Completed], _Found]) -> _Found:
        """Run a command that only looks, and return what `read` makes of how it ended, as `retry` does."""
        return self.retry(lambda: read(self.run(command)))

    def retry(self, ask: Callable[[], _Found]) -> _Found:
        """Ask something of the host that changes nothing.

        What gives no answer that can be read (HostError) is asked again while patience lasts, counted from its first
        failure. Raises what the last one did.
        """
        failed_at: float | None = None
        while True:
            try:
                return ask()
            except HostError:
                failed_at = time.monotonic() if failed_at is None else failed_at
                if time.monotonic() + _PAUSE > failed_at + self._patience():
                    raise
            time.sleep(_PAUSE)

    def check(self, command: Command) -> Completed:
        """Run a command that must exit 0. Raises what its exit code `means`, else CommandFailed with its last words."""
        completed = self.run(command)
        for exit_code, error in command.means:
            if completed.exit_code == exit_code:
                raise error
        if completed.exit_code != 0:
            raise CommandFailed(
                f"`{command}` ended with exit code {completed.exit_code}: {completed.last_line}",
                "its whole output is in the record",
            )
        return completed


def _no_engine(completed: Completed) -> bool:
    if completed.exit_code == 0 or "docker" not in completed.command.argv:
        return False
    said = completed.stderr.decode("utf-8", errors="replace").lower()
    return any(words in said for words in _NO_ENGINE)


def cleanup_command(argv: Sequence[str], directory: str | None) -> Command:
    """What is run after a command was stopped: its `if_stopped`."""
    return Command(tuple(argv), _AFTERMATH, directory)


def _not_started(command: Command, error: OSError) -> HostError:
    missing = error.filename or command.argv[0]
    return HostError(
        f"`{command}` could not be started: {error.strerror}: {missing}",
        f"make sure that {command.argv[0]} is installed, that {command.directory or 'its folder'} exists, and that this"
        " machine has memory, processes and open files left",
    )


def _lost_sight(command: Command, error: OSError) -> HostError:
    return HostError(
        f"`{command}` was stopped, since it could not be followed: {error.strerror or error}",
        "look at the production host, and at the memory and open files that this machine has left",
    )
