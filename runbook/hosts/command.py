"""A command for the production host, what came of it, and who keeps it."""

import json
import shlex
from dataclasses import dataclass
from typing import Any, Protocol

from runbook.errors import (
    EngineError,
    RunbookError,
)
from runbook.hosts.error_line import complaint


@dataclass(frozen=True)
class Command:
    """A command on the production host.

    `argv` is what runs, without a shell; `deadline` is in seconds; `stdin` is fed to it and never recorded;
    `secret_output` keeps the output off the record as well (an env file's content, say). `if_stopped` is run when the
    command had to be stopped: stopping a docker client does not stop the container that it began. One that
    `streams_progress` tells on standard error how far it is, and whoever listens hears each line as it comes.
    `most_output` is in bytes, for each of standard output and standard error: a command that prints more is stopped.
    `means` are the exit codes that say something of their own, each with the error that `Host.check` raises for it.
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
        """Write it as a person would type it."""
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Completed:
    """How a command ended: exit code, output, and how long it took in seconds."""

    command: Command
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Its standard output; bytes that are not UTF-8 become the replacement character."""
        return self.stdout.decode("utf-8", errors="replace")

    @property
    def errors(self) -> str:
        """Its standard error, as `text` is its output."""
        return self.stderr.decode("utf-8", errors="replace")

    @property
    def last_line(self) -> str:
        """The line that says what went wrong, of standard error before standard output; else the last one."""
        for stream in (self.stderr, self.stdout):
            if line := complaint(stream.decode("utf-8", errors="replace")):
                return line
        return "it said nothing"


class Recorder(Protocol):
    """What keeps the commands: the incident."""

    def command_began(self, command: Command, process: int) -> None:
        """Keep that a command was started, as which process."""

    def command_said(self, command: Command, line: str) -> None:
        """Take note of a line that a talking command said on standard error; the last ones may be left out."""

    def command_ended(self, completed: Completed) -> None:
        """Keep a command that ended."""

    def command_stopped(self, command: Command, why: str) -> None:
        """Keep a command that did not end by itself, or never began."""


class NullRecorder:
    """Keeps no commands: for what is looked at before there is a record, and for signs of life."""

    def command_began(self, command: Command, process: int) -> None:
        """Let it go."""

    def command_said(self, command: Command, line: str) -> None:
        """Let it go."""

    def command_ended(self, completed: Completed) -> None:
        """Let it go."""

    def command_stopped(self, command: Command, why: str) -> None:
        """Let it go."""


def parsed_json(completed: Completed, kind: type | tuple[type, ...]) -> Any:
    """What a command printed, as JSON, which must be a `kind`. Raises EngineError otherwise; output is not shown."""
    try:
        found = json.loads(completed.text)
    except (ValueError, RecursionError):
        found = ...
    if not isinstance(found, kind):
        raise EngineError(
            f"`{completed.command}` ended with exit code {completed.exit_code} and an answer that nobody can read",
            "is the engine answering? Look at it with `docker version` and `docker ps`",
        )
    return found
