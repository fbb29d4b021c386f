"""The production host: runs commands with a deadline and a clean environment, and records them."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from runbook.errors import CommandFailed, CommandSaidTooMuch, CommandTimedOut, EngineError, HostError
from runbook.hosts.command import Command, Completed, Recorder
from runbook.hosts.process import ManagedProcess

_Found = TypeVar("_Found")

# Variables passed on from the operator's shell. Compose prefers shell variables to the env file, so an exported
# IMAGE_TAG would silently decide which release comes up.
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "SSH_AUTH_SOCK", "DOCKER_HOST", "DOCKER_CONTEXT",
              "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")  # fmt: skip

_PROGRESS_EVERY = 0.2  # seconds between two reads of a running command's output
_CLEANUP_DEADLINE = 60.0  # seconds
_RETRY_EVERY = 0.5  # seconds

# What docker prints when no engine answers; its exit code, 1, is that of any other error.
_NO_ENGINE = ("cannot connect to the docker daemon", "error during connect", "failed to connect to the docker api")


class Host:
    """The production host, reached as this machine."""

    def __init__(
        self, environment: Mapping[str, str], recorder: Recorder, patience: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`environment` is added to the commands' own; `patience` gives the seconds for which `retry` tries again."""
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # Some output is compared (`No such file or directory`), so it must be English.
        self._environment |= {"LC_ALL": "C.UTF-8"} | dict(environment)
        self._recorder = recorder
        self._patience = patience

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of commands."""
        return self._environment

    def run(self, command: Command) -> Completed:
        """Run a command and return how it ended, whatever its exit code.

        Raises CommandTimedOut at its deadline and CommandSaidTooMuch above its `most_output` (its process group is
        stopped before), EngineError when no engine answers docker, and HostError when it cannot be started.
        """
        process = ManagedProcess(command.argv, self._environment, command.directory, command.stdin, command.most_output)
        with process as started:
            return self._follow(command, started)

    def _follow(self, command: Command, started: ManagedProcess) -> Completed:
        began = time.monotonic()
        try:
            self._recorder.command_began(command, started.start())
            in_time = self._wait(started, command, began + command.deadline)
            too_much = started.exceeded_output()
            if too_much or not in_time:
                self._stop(started, command)
        except OSError as error:
            begun = self._stop(started, command)
            self._recorder.command_stopped(command, str(error))
            raise _not_followed(command, error) if begun else _not_started(command, error) from None
        except BaseException:
            # Ctrl-C and the like: no command may go on unwatched.
            self._stop(started, command)
            self._recorder.command_stopped(command, "interrupted")
            raise
        if too_much:
            most = f"{command.most_output} bytes"
            self._recorder.command_stopped(command, f"stopped since it printed more than {most}")
            raise CommandSaidTooMuch(
                f"`{command}` printed more than {most} and was stopped",
                "run it on the production host, and look at what it prints",
            )
        if not in_time:
            self._recorder.command_stopped(command, f"stopped at its deadline of {command.deadline:g} s")
            raise CommandTimedOut(
                f"`{command}` did not end within {command.deadline:g} s and was stopped",
                "check that the engine answers (`docker version`), or raise its value under [deadlines]",
            )
        completed = Completed(command, started.exit_code, *started.output(), time.monotonic() - began)
        self._recorder.command_ended(completed)
        if _no_engine(completed):
            raise EngineError(
                f"`{command}` reached no Docker engine: {completed.last_line}",
                "check that the engine runs, and that this user may ask it: `docker version`",
            )
        return completed

    def _wait(self, started: ManagedProcess, command: Command, until: float) -> bool:
        # Passes progress lines on, and ends early when there is too much output. True when it ended in time.
        heard = 0
        watched = command.streams_progress or command.most_output is not None
        while watched and time.monotonic() + _PROGRESS_EVERY < until:
            if started.wait(_PROGRESS_EVERY) or started.exceeded_output():
                return True
            if not command.streams_progress:
                continue
            said = started.output()[1]
            whole = said.rfind(b"\n") + 1
            for line in said[heard:whole].decode("utf-8", errors="replace").splitlines():
                self._recorder.command_progressed(command, line)
            heard = max(heard, whole)
        return started.wait(until - time.monotonic())

    def _stop(self, started: ManagedProcess, command: Command) -> bool:
        begun = started.stop()
        if begun and command.if_stopped:
            with contextlib.suppress(HostError):
                self.run(cleanup_command(command.if_stopped, command.directory))
        return begun

    def ask(self, command: Command, read: Callable[[Completed], _Found]) -> _Found:
        """Run a command that only reads, and return what `read` makes of it; tried again like `retry`."""
        return self.retry(lambda: read(self.run(command)))

    def retry(self, ask: Callable[[], _Found]) -> _Found:
        """Call `ask`, which must change nothing, again after each HostError, for `patience` seconds from the first.

        Raises the last error.
        """
        failed_at: float | None = None
        while True:
            try:
                return ask()
            except HostError:
                failed_at = time.monotonic() if failed_at is None else failed_at
                if time.monotonic() + _RETRY_EVERY > failed_at + self._patience():
                    raise
            time.sleep(_RETRY_EVERY)

    def check(self, command: Command) -> Completed:
        """Run a command that must exit 0. Raises the error that its exit code `means`, else CommandFailed."""
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
    said = completed.errors.lower()
    return any(words in said for words in _NO_ENGINE)


def cleanup_command(argv: Sequence[str], directory: str | None) -> Command:
    """Return the command that runs after another was stopped: its `if_stopped`."""
    return Command(tuple(argv), _CLEANUP_DEADLINE, directory)


def _not_started(command: Command, error: OSError) -> HostError:
    missing = error.filename or command.argv[0]
    return HostError(
        f"`{command}` could not be started: {error.strerror}: {missing}",
        f"check that {command.argv[0]} is installed, that {command.directory or 'its folder'} exists, and that this"
        " machine has memory, processes and open files left",
    )


def _not_followed(command: Command, error: OSError) -> HostError:
    return HostError(
        f"`{command}` was stopped, since its output could not be read: {error.strerror or error}",
        "check the production host, and the free memory and open files of this machine",
    )
