"""The tree of errors: every way in which the runbook can stop.

RunbookError
├── SettingsError        runbook.toml is missing, unreadable or invalid
├── HostError            a request to the production host failed
│   ├── NoConnection       no SSH connection to the host; nothing was started there
│   ├── ConnectionLost     the SSH connection was lost while a command ran on the host
│   ├── CommandFailed      a command exited with an unexpected code
│   ├── EngineError        the Docker engine is unreachable, or its answer is unreadable
│   ├── CommandTimedOut    a command was stopped at its deadline
│   ├── CommandSaidTooMuch a command was stopped because it printed too much
│   └── FileUnreadable     a file on the host cannot be read
├── ProductionError      the Compose project does not match the settings
│   └── EnvFileError       the env file cannot be read, or cannot be changed without guessing
├── SourceError          a source of releases cannot be read: CI, a log, the images on the host
│   ├── NotRead            one log or artifact of a source cannot be read
│   └── RegistryError      the image registry cannot be read
│       ├── RegistryRefused  the registry rejects the user name and password
│       └── ReleaseNotFound  the registry does not have the tag
├── StoreError           a secret store refuses, or lacks the value that the settings name
├── ModelsError          the models of the target's code, or the SQL to judge, cannot be read
├── TargetError          no release to return to, or the requested one is not usable
├── PlanVoid             the saved plan is invalid, or production has changed since it was made
├── LockHeld             another run changes this production, or a run died and left its lock
├── LockLost             this run lost its lock: nothing more is changed
├── StepTimedOut         a step took longer than the limit for steps
├── StepError            a step did something that its keyword does not allow
├── CheckFailed          a check did not pass by its deadline
├── Inconclusive         a check could not look; never counted as good news
│   └── NoAnswer           an HTTP address gave no answer; the reason, as far as known
├── RedactionError       redaction failed its self-test: no real secret is trusted to it
└── JournalError         the journal cannot be written, or is damaged

Each error carries two sentences: what was seen and what was expected, and what to type or do next.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self


class RunbookError(Exception):
    """A reason to stop, for a person to read.

    `seen` says what was seen and what was expected. `next_step` says what to type or do. Both are plain text on one
    line.
    """

    def __init__(self, seen: str, next_step: str) -> None:
        super().__init__(seen, next_step)
        self.seen = " ".join(seen.split())
        self.next_step = " ".join(next_step.split())

    def on(self, host: str) -> Self:
        """Put the host's name before `seen`, if the host has a name. Return the error itself."""
        self.seen = f"{host}: {self.seen}" if host else self.seen
        return self

    def __str__(self) -> str:
        return with_next_step(self.seen, self.next_step)


def with_next_step(seen: str, next_step: str) -> str:
    """Return both sentences on one line, or only `seen` if there is no next step."""
    return f"{seen} → {next_step}" if next_step else seen


class SettingsError(RunbookError):
    """The settings file is missing, unreadable or invalid.

    Several `mistakes` are shown one per line.
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
    """A request to the production host failed."""


class NoConnection(HostError):
    """The SSH connection to the production host cannot be opened; nothing was started there."""


class ConnectionLost(HostError):
    """The SSH connection was lost while a command ran on the production host; its effect is unknown."""


class CommandFailed(HostError):
    """A command exited with an unexpected code."""


class EngineError(HostError):
    """The Docker engine is unreachable, or its answer is unreadable."""


class CommandTimedOut(HostError):
    """A command was stopped at its deadline; its effect is unknown."""


class CommandSaidTooMuch(HostError):
    """A command was stopped because it printed too much; its effect is unknown."""


class FileUnreadable(HostError):
    """A file on the production host exists, or may exist, and cannot be read."""


class ProductionError(RunbookError):
    """The Compose project does not match the settings."""


class EnvFileError(ProductionError):
    """The env file cannot be read, or cannot be changed without guessing."""


class SourceError(RunbookError):
    """A source of releases cannot be read."""


class NotRead(SourceError):
    """One log or artifact of a source is gone or damaged. The others are still read."""


class RegistryError(SourceError):
    """The image registry cannot be read."""


class RegistryRefused(RegistryError):
    """The registry rejects the user name and password."""


class ReleaseNotFound(RegistryError):
    """The registry does not have the tag."""


class StoreError(RunbookError):
    """A secret store refuses, or lacks the value that the settings name."""


class ModelsError(RunbookError):
    """The models of the target's code, or the SQL to judge, cannot be read."""


class TargetError(RunbookError):
    """There is no release to return to, or the requested one is not usable."""


class PlanVoid(RunbookError):
    """The saved plan is invalid, or production has changed since it was made."""


class LockHeld(RunbookError):
    """Another run changes this production, or a run died and left its lock."""


class LockLost(RunbookError):
    """This run lost its lock: it changes nothing more."""


class StepTimedOut(RunbookError):
    """A step took longer than the limit for steps."""


class StepError(RunbookError):
    """A step did something that its keyword does not allow: the steps are wrong, not production."""


class CheckFailed(RunbookError):
    """A check did not pass by its deadline."""


class Inconclusive(RunbookError):
    """A check could not look; that is never good news.

    `key` is the settings key that must change, if known.
    """

    def __init__(self, seen: str, next_step: str, key: str = "") -> None:
        super().__init__(seen, next_step)
        self.key = key


class Why(StrEnum):
    """The reasons why an HTTP address gives no answer."""

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
    """Redaction failed its self-test in this process: a made-up secret was shown."""


class JournalError(RunbookError):
    """The journal cannot be written, or is damaged."""
