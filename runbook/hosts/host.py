"""The production host: runs and records commands, each with a deadline and a clean environment."""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Protocol, TypeVar

from runbook.errors import CommandFailed, CommandSaidTooMuch, CommandTimedOut, EngineError, HostError
from runbook.hosts.command import Begun, Command, Completed, Recorder
from runbook.hosts.engine.address import EngineAddress
from runbook.hosts.engine.api import EngineApi
from runbook.hosts.engine.events import EngineEvents
from runbook.hosts.files.files import Files
from runbook.hosts.http import Tunnel

_Found = TypeVar("_Found")

_PROGRESS_EVERY = 0.2  # seconds between two reads of a running command's output
_CLEANUP_DEADLINE = 60.0  # seconds
_RETRY_EVERY = 0.5  # seconds

# What docker prints when no engine answers. The exit code does not tell: it is 1, as for any other error.
_NO_ENGINE = ("cannot connect to the docker daemon", "error during connect", "failed to connect to the docker api",
              "permission denied while trying to connect")  # fmt: skip


class Process(Protocol):
    """A running command, as the host follows it."""

    def start(self) -> Begun:
        """Start the process and return its identity. Raises OSError or HostError when it cannot be started."""

    def release(self) -> None:
        """Let the started process do its work. Call this once its start is on record."""

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for the process to end. Return whether it ended."""

    def ended_with(self) -> int:
        """Return the exit code. Raises HostError when the process ended, or may have, and the exit code is unknown."""

    def output(self) -> tuple[bytes, bytes]:
        """Return standard output and standard error so far."""

    def exceeded_output(self) -> bool:
        """Return whether either output is above the command's `most_output`."""

    def stop(self) -> bool:
        """Stop the process and its children. False if it was not started; then it never will be."""

    def at_large(self) -> bool:
        """Return whether the process may still be running although it was stopped."""


class Host(ABC):
    """The production host. Each way to reach it has one file."""

    def __init__(self, recorder: Recorder, patience: Callable[[], float] = lambda: 0.0) -> None:
        """`patience` returns the seconds for which `retry` keeps trying."""
        self._recorder = recorder
        self._patience = patience

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """The environment of commands."""

    @property
    def address(self) -> str | None:
        """The host's address from the settings; None for this machine."""
        return None

    @property
    def tunnel(self) -> Tunnel | None:
        """The tunnel to addresses that only the host reaches; None for this machine."""
        return None

    @property
    def out_of_reach(self) -> bool:
        """Whether the last attempt to connect to the host failed."""
        return False

    @abstractmethod
    def machine(self) -> tuple[str, str]:
        """Return the machine's name and the ids of its boot and PID namespace, in the form of `Begun`."""

    @abstractmethod
    def process_start(self, process: int) -> str | None:
        """Return a process's start time in the form of `Begun`; None when it does not run."""

    @abstractmethod
    def signal(self, process: int, number: int) -> None:
        """Send a signal to a command that was started on the host, and to its children."""

    @abstractmethod
    def now(self) -> float:
        """Return the time of the host's clock, in seconds since 1970."""

    @abstractmethod
    def engine_url(self) -> str:
        """Return the URL at which this machine reaches the engine's API. Raises HostError when it is unknown."""

    def _engine_address(self) -> EngineAddress:
        return EngineAddress(self.engine_url())

    @cached_property
    def engine(self) -> EngineApi:
        """The engine's API, which reads containers and images and changes nothing."""
        return EngineApi(self._engine_address, self._recorder)

    def engine_events(self, project: str) -> EngineEvents:
        """Return the engine's events for the containers of a Compose project, which wake waiting code."""
        return EngineEvents(self._engine_address, self._recorder, project)

    def files(self, deadline: float) -> Files:
        """Return the reader of the host's files. Each read has `deadline` seconds."""
        return Files(self, deadline)

    def run_inside(self, command: Command, container: str, argv: Sequence[str]) -> Completed:
        """Run the read-only `argv` in a container through the engine's API, and return its result.

        `command` is the same as an operator would type it, for the record. If the program cannot be run, the result
        has an exit code and the engine's message. Raises CommandTimedOut at the deadline, and EngineError when no
        engine answers.
        """
        began = time.monotonic()
        try:
            done = self.engine.execute(container, argv, command.deadline, command.most_output)
        except HostError as error:
            self._recorder.command_stopped(command, error.seen)
            raise
        completed = Completed(command, done.exit_code, done.stdout, done.stderr, time.monotonic() - began, True)  # noqa: FBT003 - `by_engine`
        self._recorder.command_ended(completed)
        return completed

    def peek(self, paths: Sequence[str]) -> list[bytes] | None:  # noqa: ARG002 - for subclasses
        """Return the current bytes of files; None if that takes a command, or if a file cannot be read.

        Use it only to compare: data that decides something is read on record.
        """
        return None

    def put_on_record(self, completed: Completed) -> None:
        """Record a command that ran earlier, possibly before the record began."""
        self._recorder.command_ended(completed)

    @abstractmethod
    def _process(self, command: Command) -> AbstractContextManager[Process]:
        """Return the command as a process, not yet started."""

    def run(self, command: Command) -> Completed:
        """Run a command and return its result, whatever its exit code.

        Raises CommandTimedOut at its deadline and CommandSaidTooMuch above its `most_output`, after its process group
        was stopped. Raises EngineError when no engine answers docker, NoConnection or ConnectionLost over SSH, and
        HostError when the command cannot be started.
        """
        with self._process(command) as started:
            return self._follow(command, started)

    def _follow(self, command: Command, started: Process) -> Completed:
        began = time.monotonic()
        try:
            self._recorder.command_began(command, started.start())
            started.release()
            in_time = self._wait(started, command, began + command.deadline)
            too_much = started.exceeded_output()
            if too_much or not in_time:
                self._stop(started, command)
            exit_code = 0 if too_much or not in_time else started.ended_with()
        except OSError as error:
            begun = self._stop(started, command)
            self._recorder.command_stopped(command, str(error))
            raise _not_followed(command, error) if begun else _not_started(command, error) from None
        except HostError as error:
            self._stop(started, command)
            self._recorder.command_stopped(command, error.seen, at_large=started.at_large())
            raise
        except BaseException:
            # Ctrl-C, for example: no command may keep running unwatched.
            self._stop(started, command)
            self._recorder.command_stopped(command, "interrupted", at_large=started.at_large())
            raise
        if too_much:
            most = f"{command.most_output} bytes"
            self._recorder.command_stopped(
                command, f"stopped because it printed more than {most}", at_large=started.at_large()
            )
            raise CommandSaidTooMuch(
                f"`{command}` printed more than {most}{_stopped(started)}",
                "run it on the production host to see its output",
            )
        if not in_time:
            self._recorder.command_stopped(
                command, f"stopped at its deadline of {command.deadline:g} s", at_large=started.at_large()
            )
            raise CommandTimedOut(
                f"`{command}` did not end within {command.deadline:g} s{_stopped(started)}",
                "check that the engine answers (`docker version`), or raise its deadline under [deadlines]",
            )
        completed = Completed(command, exit_code, *started.output(), time.monotonic() - began)
        self._recorder.command_ended(completed)
        if _no_engine(completed):
            raise EngineError(
                f"`{command}` could not reach a Docker engine: {completed.last_line}",
                "check that the engine runs and that this user may use it: `docker version`",
            )
        return completed

    def _wait(self, started: Process, command: Command, until: float) -> bool:
        # Forwards progress lines. Returns early when there is too much output. False means that the deadline passed.
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

    def _stop(self, started: Process, command: Command) -> bool:
        begun = started.stop()
        if begun and command.if_stopped:
            with contextlib.suppress(HostError):
                self.run(cleanup_command(command.if_stopped, command.directory))
        return begun

    def ask(self, command: Command, read: Callable[[Completed], _Found]) -> _Found:
        """Run a read-only command and return `read` of its result, with the retries of `retry`."""
        return self.retry(lambda: read(self.run(command)))

    def retry(self, ask: Callable[[], _Found]) -> _Found:
        """Call the read-only `ask`, and repeat it after each HostError until `patience` seconds after the first.

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
        """Run a command that must exit with 0. Raises the error for its exit code in `means`, else CommandFailed."""
        completed = self.run(command)
        for exit_code, error in command.means:
            if completed.exit_code == exit_code:
                raise error
        if completed.exit_code != 0:
            raise CommandFailed(
                f"`{command}` ended with exit code {completed.exit_code}: {completed.last_line}",
                "read its full output in the record",
            )
        return completed


def _stopped(started: Process) -> str:
    return "; it may still be running" if started.at_large() else " and was stopped"


def _no_engine(completed: Completed) -> bool:
    if completed.exit_code == 0 or "docker" not in completed.command.argv:
        return False
    said = completed.errors.lower()
    return any(words in said for words in _NO_ENGINE)


def cleanup_command(argv: Sequence[str], directory: str | None) -> Command:
    """Return the command that runs a stopped command's `if_stopped`."""
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
        f"`{command}` was stopped because its output could not be read: {error.strerror or error}",
        "check the production host, and the free memory and open files of this machine",
    )
