"""A command on the production host, its result, and the recorder interface."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any, Protocol

from runbook.errors import EngineError, RunbookError
from runbook.hosts.engine.request import EngineRecorder, EngineRequest
from runbook.hosts.files.look import FileLook, FileRecorder

_CSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# A severity and a colon, after the names of the programs that forward it: `psql: error: …: FATAL:  role …`.
_ERROR = re.compile(
    r"(?:[^\s:]+:(?:[^\s:]*:)*\s+)*"
    r"(?:(?:ERROR|FATAL|PANIC|FAILED|[Ee]rror|[Ff]atal(?: error)?)\b[^:]{0,60}:|[Ee]rror response from daemon\b)"
)
_TRACEBACK = "Traceback (most recent call last):"
# Lines after the error that explain it, point at it or give advice.
_ASIDE = re.compile(
    r"[\^~\s]+$|LINE \d+:|(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|NOTE):|(?:Run|See|Try) ['\"`]"
    r"|[Uu]sage:|For more (?:help|information)|\(Background on this error|\[SQL: |\[parameters: |Is the server running"
    r"|time=\S+ level=(?:info|warning) |[Ww]arning:|WARNING"
)


@dataclass(frozen=True)
class Command:
    """A command on the production host.

    `argv` runs without a shell. `deadline` is in seconds. `stdin` is never recorded; with `secret_output`, neither is
    the output. `if_stopped` runs after the command was stopped, because stopping a docker client does not stop its
    container. With `streams_progress` each line of standard error goes to the recorder as it arrives. A command that
    prints more than `most_output` bytes on either stream is stopped. `means` maps exit codes to the errors that
    `Host.check` raises.
    """

    argv: tuple[str, ...]
    deadline: float
    directory: str | None = None
    stdin: bytes | None = None
    secret_output: bool = False
    if_stopped: tuple[str, ...] = ()
    streams_progress: bool = False
    most_output: int | None = None
    means: tuple[tuple[int, RunbookError], ...] = ()

    def __str__(self) -> str:
        """Return the command as typed in a shell."""
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Completed:
    """The result of a command: exit code, output in bytes, duration in seconds.

    `by_engine` is set if the engine ran it in a container, without a process on the host.
    """

    command: Command
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    by_engine: bool = False

    @property
    def text(self) -> str:
        """Standard output. Bytes that are not UTF-8 become the replacement character."""
        return self.stdout.decode("utf-8", errors="replace")

    @property
    def errors(self) -> str:
        """Standard error, decoded like `text`."""
        return self.stderr.decode("utf-8", errors="replace")

    @property
    def last_line(self) -> str:
        """The error line, from standard error if it has one, else from standard output."""
        return error_line(self.errors) or error_line(self.text) or "it printed nothing"


@dataclass(frozen=True)
class Begun:
    """A command's PID, start time, host and boot. A PID is not enough, because PIDs are reused.

    `process` leads its own process group. `started` is None if the process ended before its start time could be read.
    """

    process: int
    started: str | None
    host: str
    boot: str


class Recorder(EngineRecorder, FileRecorder, Protocol):
    """Records commands, requests to the engine and reads of files. The incident implements it."""

    def command_began(self, command: Command, begun: Begun) -> None:
        """Record that a command was started, with its process."""

    def command_progressed(self, command: Command, line: str) -> None:
        """Record a line of a command's progress. The last lines may be missing."""

    def command_ended(self, completed: Completed) -> None:
        """Record a command that ended without being stopped."""

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Record a command that was stopped or could not be started. With `at_large` it may still be running."""


class NullRecorder:
    """Records nothing. For commands before the record begins, and for the lock's heartbeat."""

    def command_began(self, command: Command, begun: Begun) -> None:
        """Do nothing."""

    def command_progressed(self, command: Command, line: str) -> None:
        """Do nothing."""

    def command_ended(self, completed: Completed) -> None:
        """Do nothing."""

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Do nothing."""

    def engine_asked(self, request: EngineRequest) -> None:
        """Do nothing."""

    def files_looked_at(self, look: FileLook) -> None:
        """Do nothing."""


def parsed_json(completed: Completed, kind: type | tuple[type, ...]) -> Any:
    """Parse a command's standard output as JSON. Raises EngineError, which omits the output, if it is not a `kind`."""
    try:
        found = json.loads(completed.text)
    except (ValueError, RecursionError):
        found = ...
    if not isinstance(found, kind):
        raise EngineError(
            f"`{completed.command}` ended with exit code {completed.exit_code}, but not with the expected JSON",
            "check that the engine answers: `docker version`, `docker ps`",
        )
    return found


def error_line(output: str) -> str:
    r"""Return the error line of a tool's `output`. It is often not the last line.

    psql draws a caret under the statement, docker and click advise to run --help, SQLAlchemy names a page to read.
    Without an error line, return the last line that is not such an aside. Empty if the output is empty.

    >>> error_line("psql: error: FATAL:  role \"x\" does not exist\nHINT:  create it")
    'psql: error: FATAL:  role "x" does not exist'
    """
    lines = [line.rstrip() for line in _CSI.sub("", output).splitlines()]
    spoken = [line.strip() for line in lines if line.strip()]
    said = max(_last_error(lines), _exception(lines))
    if said >= 0:
        return lines[said].strip()
    return next((line for line in reversed(spoken) if not _ASIDE.match(line)), spoken[-1] if spoken else "")


def _last_error(lines: list[str]) -> int:
    return max((at for at, line in enumerate(lines) if _ERROR.match(line.strip())), default=-1)


def _exception(lines: list[str]) -> int:
    # Index of the first line after the frames of the last traceback; -1 without one.
    begun = max((at for at, line in enumerate(lines) if line.strip().endswith(_TRACEBACK)), default=-1)
    if begun < 0:
        return -1
    return next((at for at in range(begun + 1, len(lines)) if lines[at] and not lines[at][0].isspace()), -1)
