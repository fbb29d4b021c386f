"""A command for the production host, how it ended, and who records it."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any, Protocol

from runbook.errors import EngineError, RunbookError
from runbook.hosts.engine.request import EngineRecorder, EngineRequest
from runbook.hosts.files.look import FileLook, FileRecorder

_CSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# A severity with a colon, after the names of the programs that pass it on: `psql: error: …: FATAL:  role …`.
_ERROR = re.compile(
    r"(?:[^\s:]+:(?:[^\s:]*:)*\s+)*"
    r"(?:(?:ERROR|FATAL|PANIC|FAILED|[Ee]rror|[Ff]atal(?: error)?)\b[^:]{0,60}:|[Ee]rror response from daemon\b)"
)
_TRACEBACK = "Traceback (most recent call last):"
# Lines that explain, point or advise, and stand after the error.
_ASIDE = re.compile(
    r"[\^~\s]+$|LINE \d+:|(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|NOTE):|(?:Run|See|Try) ['\"`]"
    r"|[Uu]sage:|For more (?:help|information)|\(Background on this error|\[SQL: |\[parameters: |Is the server running"
    r"|time=\S+ level=(?:info|warning) |[Ww]arning:|WARNING"
)


@dataclass(frozen=True)
class Command:
    """A command on the production host.

    `argv` runs without a shell; `deadline` is in seconds. `stdin` is never recorded, and with `secret_output` the
    output is not either. `if_stopped` runs after the command had to be stopped, because stopping a docker client does
    not stop its container. With `streams_progress` each line of standard error is passed to the recorder as it comes.
    A command that prints more than `most_output` bytes, on either stream, is stopped. `means` maps exit codes to the
    errors that `Host.check` raises for them.
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
        """Return it as a person would type it."""
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Completed:
    """How a command ended: its exit code, output in bytes, and duration in seconds.

    `by_engine` is set where no process was started for it: the engine ran it in a container.
    """

    command: Command
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    by_engine: bool = False

    @property
    def text(self) -> str:
        """Standard output; bytes that are not UTF-8 become the replacement character."""
        return self.stdout.decode("utf-8", errors="replace")

    @property
    def errors(self) -> str:
        """Standard error, decoded like `text`."""
        return self.stderr.decode("utf-8", errors="replace")

    @property
    def last_line(self) -> str:
        """The line that says what went wrong, from standard error before standard output."""
        return error_line(self.errors) or error_line(self.text) or "it printed nothing"


@dataclass(frozen=True)
class Begun:
    """Which process a command is: its id and its start, on a machine since its boot, because ids are reused.

    `process` leads a process group of its own. `started` is None for one that ended before its start could be read.
    """

    process: int
    started: str | None
    host: str
    boot: str


class Recorder(EngineRecorder, FileRecorder, Protocol):
    """Records commands, requests to the engine and looks at files: the incident does."""

    def command_began(self, command: Command, begun: Begun) -> None:
        """Record that a command was started, and as which process."""

    def command_progressed(self, command: Command, line: str) -> None:
        """Take a line of progress; the last ones may be left out."""

    def command_ended(self, completed: Completed) -> None:
        """Record a command that ended by itself."""

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Record a command that was stopped, or could not be started; `at_large` if it may be at work still."""


class NullRecorder:
    """Records nothing: for commands before there is a record, and for the lock's heartbeat."""

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
    """Parse a command's output as JSON of type `kind`. Raises EngineError otherwise, without showing the output."""
    try:
        found = json.loads(completed.text)
    except (ValueError, RecursionError):
        found = ...
    if not isinstance(found, kind):
        raise EngineError(
            f"`{completed.command}` ended with exit code {completed.exit_code} and an answer that cannot be read",
            "check that the engine answers: `docker version`, `docker ps`",
        )
    return found


def error_line(output: str) -> str:
    r"""Return the line of a tool's `output` that says what went wrong, which is often not the last one.

    psql draws a caret under the statement, docker and click advise to run --help, SQLAlchemy names a page to read.
    Without an error line it is the last line that is no such aside; empty when the output is.

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
    # The first line behind the frames of the last traceback; -1 without one.
    begun = max((at for at, line in enumerate(lines) if line.strip().endswith(_TRACEBACK)), default=-1)
    if begun < 0:
        return -1
    return next((at for at in range(begun + 1, len(lines)) if lines[at] and not lines[at][0].isspace()), -1)
