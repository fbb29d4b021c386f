"""Every way in which the runbook can stop, as one tree.

RunbookError
├── SettingsError        runbook.toml is missing, unreadable, or says something that it cannot mean
├── HostError            the production host could not be asked
│   ├── NoConnection       no SSH connection to it comes about; nothing was begun there
│   ├── ConnectionLost     the SSH connection to it was lost while a command ran there
│   ├── CommandFailed      a command ended with a code other than the expected one
│   ├── EngineError        the Docker engine cannot be reached, or answers what nobody can read
│   ├── CommandTimedOut    a command did not end by its deadline and was stopped
│   └── CommandSaidTooMuch a command printed more than it may and was stopped
├── ProductionError      the Compose project is not what the settings say
│   └── EnvFileError       the env file cannot be read, or not changed without guessing
├── SourceError          a source of releases could not be asked: CI, a log, the images on the host
│   └── RegistryError      the image registry could not be asked
│       ├── RegistryRefused  it does not accept the user name and password
│       └── ReleaseNotFound  it answers, and has no such tag
├── StoreError           a secret store refuses, or has not the value that the settings name
├── ModelsError          what the target's code maps, or the SQL to judge, is not what it should be
├── TargetError          no release that could be returned to, or not the one asked for
├── PlanVoid             the plan that was to be carried out is none, or reality has moved since it was made
├── LockHeld             another run changes this production, or one that died did not let go of it
├── LockLost             the lock of this run was taken away: nothing more is changed
├── StepTimedOut     a step took longer than any step may
├── StepError        a step did what its keyword does not allow
├── CheckFailed          a step was observed until its deadline and was not true
├── Inconclusive         a step could not be looked at; never counted as good news
│   └── NoAnswer           an HTTP address gave no answer: why, as far as that is known
├── RedactionError       a made-up secret was not struck out: nothing real is trusted to it
└── JournalError         the journal cannot be written, or is not whole

Each carries two sentences: what was seen against what was expected, and what to type or to do next.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self


class RunbookError(Exception):
    """A reason to stop, for a person to read.

    `seen` says what was seen and what was expected; `next_step` says what to type or to do. Both are plain
    text on one line.
    """

    def __init__(self, seen: str, next_step: str) -> None:
        super().__init__(seen, next_step)
        self.seen = " ".join(seen.split())
        self.next_step = " ".join(next_step.split())

    def on(self, host: str) -> Self:
        """Say on which of several hosts it was, where it has a name; return itself."""
        self.seen = f"{host}: {self.seen}" if host else self.seen
        return self

    def __str__(self) -> str:
        return with_next_step(self.seen, self.next_step)


def with_next_step(seen: str, next_step: str) -> str:
    """What was seen and what helps, on one line; the first alone where nothing is known to help."""
    return f"{seen} → {next_step}" if next_step else seen


class SettingsError(RunbookError):
    """The settings file is missing, unreadable, or says something that it cannot mean.

    Several `mistakes` are told a line each.
    """

    def __init__(self, seen: str, next_step: str, mistakes: Sequence[str] = ()) -> None:
        super().__init__(seen, next_step)
        self.mistakes = tuple(" ".join(each.split()) for each in mistakes)

    def __str__(self) -> str:
        if len(self.mistakes) < 2:
            return super().__str__()
        head = f"{len(self.mistakes)} mistakes in the settings ({self.next_step}):"
        return "\n".join((head, *(f"  {each}" for each in self.mistakes)))


class HostError(RunbookError):
    """The production host could not be asked."""


class NoConnection(HostError):
    """No SSH connection to the production host comes about; what was to be done there was not begun."""


class ConnectionLost(HostError):
    """The SSH connection was lost while a command ran on the production host; what it did until then is unknown."""


class CommandFailed(HostError):
    """A command ended with a code other than the expected one."""


class EngineError(HostError):
    """The Docker engine cannot be reached, or answers what nobody can read."""


class CommandTimedOut(HostError):
    """A command did not end by its deadline and was stopped; what it did until then is unknown."""


class CommandSaidTooMuch(HostError):
    """A command printed more than it may and was stopped; what it did until then is unknown."""


class FileUnreadable(HostError):
    """A file of the production host is there, or may be, and cannot be read."""


class ProductionError(RunbookError):
    """The Compose project is not what the settings say."""


class EnvFileError(ProductionError):
    """The env file cannot be read, or not changed without guessing."""


class SourceError(RunbookError):
    """A source of releases could not be asked."""


class NotRead(SourceError):
    """One log or artifact of a source cannot be read: it is gone, or broken. The others are read all the same."""


class RegistryError(SourceError):
    """The image registry could not be asked."""


class RegistryRefused(RegistryError):
    """The registry does not accept the user name and password."""


class ReleaseNotFound(RegistryError):
    """The registry answers, and has no such tag."""


class StoreError(RunbookError):
    """A secret store refuses, or has not the value that the settings name."""


class ModelsError(RunbookError):
    """What the target's code maps, or the SQL to judge, cannot be read."""


class TargetError(RunbookError):
    """There is no release that could be returned to, or not the one asked for."""


class PlanVoid(RunbookError):
    """The plan that was to be carried out is none, or reality has moved since it was made."""


class LockHeld(RunbookError):
    """Another run changes this production, or one that died did not let go of it."""


class LockLost(RunbookError):
    """The lock of this run was taken away: nothing more is changed."""


class StepTimedOut(RunbookError):
    """A step took longer than any step may."""


class StepError(RunbookError):
    """A step did what its keyword does not allow: the steps are wrong, not production."""


class CheckFailed(RunbookError):
    """A step was observed until its deadline and was not true."""


class Inconclusive(RunbookError):
    """A step could not be looked at; that is never good news.

    `key` is the key of the settings that has to change, where that is known.
    """

    def __init__(self, seen: str, next_step: str, key: str = "") -> None:
        super().__init__(seen, next_step)
        self.key = key


class Why(StrEnum):
    """Why an HTTP address gave no answer."""

    REFUSED = "nothing listens there"
    TLS = "no TLS connection came about"
    NOT_HTTP = "what listens there does not answer in HTTP"
    UNREACHABLE = "no connection came about"
    SILENT = "it was asked, and nothing came back in time"
    OTHER = "no answer came in time"


class NoAnswer(Inconclusive):
    """An HTTP address gave no answer."""

    def __init__(self, seen: str, next_step: str, why: Why) -> None:
        super().__init__(seen, next_step)
        self.why = why


class RedactionError(RunbookError):
    """Redaction does not work in this process: a made-up secret came out."""


class JournalError(RunbookError):
    """The journal cannot be written, or is not whole."""
