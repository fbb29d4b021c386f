"""Every way in which the runbook can stop, as one tree.

RunbookError
├── SettingsError        runbook.toml is missing, unreadable, or says something that it cannot mean
├── HostError            the production host could not be asked
│   ├── CommandFailed      a command ended with a code other than the expected one
│   ├── EngineError        the Docker engine cannot be reached, or answers what nobody can read
│   ├── CommandTimedOut    a command did not end by its deadline and was stopped
│   └── CommandSaidTooMuch a command printed more than it may and was stopped
├── ProductionError      the Compose project is not what the settings say
│   └── EnvFileError       the env file cannot be read, or not changed without guessing
├── RegistryError        the image registry could not be asked
│   ├── RegistryRefused    it does not accept the user name and password
│   └── ReleaseNotFound    it answers, and has no such tag
├── ModelsError          what the target's code maps, or the SQL to judge, is not what it should be
├── TargetError          no release that could be returned to, or not the one asked for
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

from enum import StrEnum
from typing import Any


class RunbookError(Exception):
    """A reason to stop, for a person to read.

    `seen` says what was seen and what was expected; `next_step` says what to type or to do. Both are plain
    text on one line.
    """

    def __init__(self, seen: str, next_step: str) -> None:
        super().__init__(seen, next_step)
        self.seen = " ".join(seen.split())
        self.next_step = " ".join(next_step.split())

    def __str__(self) -> str:
        return with_next_step(self.seen, self.next_step)


def with_next_step(seen: str, next_step: str) -> str:
    """What was seen and what helps, on one line; the first alone where nothing is known to help."""
    return f"{seen} → {next_step}" if next_step else seen


def unknown(error: RunbookError) -> dict[str, str]:
    """What stands in a snapshot in the place of what could not be looked at."""
    return {"unknown": error.seen}


def why_unknown(value: Any) -> str | None:
    """Why this could not be looked at, in words; None where it could."""
    why = value.get("unknown") if isinstance(value, dict) and len(value) == 1 else None
    return f"unknown: {why}" if isinstance(why, str) else None


class SettingsError(RunbookError):
    """The settings file is missing, unreadable, or says something that it cannot mean."""


class HostError(RunbookError):
    """The production host could not be asked."""


class CommandFailed(HostError):
    """A command ended with a code other than the expected one."""


class EngineError(HostError):
    """The Docker engine cannot be reached, or answers what nobody can read."""


class CommandTimedOut(HostError):
    """A command did not end by its deadline and was stopped; what it did until then is unknown."""


class CommandSaidTooMuch(HostError):
    """A command printed more than it may and was stopped; what it did until then is unknown."""


class ProductionError(RunbookError):
    """The Compose project is not what the settings say."""


class EnvFileError(ProductionError):
    """The env file cannot be read, or not changed without guessing."""


class RegistryError(RunbookError):
    """The image registry could not be asked."""


class RegistryRefused(RegistryError):
    """The registry does not accept the user name and password."""


class ReleaseNotFound(RegistryError):
    """The registry answers, and has no such tag."""


class ModelsError(RunbookError):
    """What the target's code maps, or the SQL to judge, cannot be read."""


class TargetError(RunbookError):
    """There is no release that could be returned to, or not the one asked for."""


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
    """A step could not be looked at; that is never good news."""


class Why(StrEnum):
    """Why an HTTP address gave no answer."""

    REFUSED = "nothing listens there"
    TLS = "no TLS connection came about"
    NOT_HTTP = "what listens there does not answer in HTTP"
    UNREACHABLE = "no connection came about"
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
