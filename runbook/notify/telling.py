"""What people are told at a turn of an execution: a template, the team's own or ours, filled with what is known."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runbook.errors import SettingsError
from runbook.incident.facts import TurnedSwitch
from runbook.markdown import without_calls, without_disguised_links
from runbook.notify.wording import Restore
from runbook.settings.people import Turn
from runbook.text import one_line, visible

_OURS = Path(__file__).with_name("templates")
_SUFFIX = ".jinja"


class Kind(StrEnum):
    """What a run does, where people are told of it in other words; templates for it lie in the folder of that name.

    A template that was written for a rollback would say of the others what is not so.
    """

    ROLLBACK = ""  # an emergency as well
    RESTORE = "restore"
    ABANDON = "abandon"


_WHAT = {
    Kind.ROLLBACK: "the rollback",
    Kind.RESTORE: "the restore",
    Kind.ABANDON: "abandoning the switch",
}


class Stopped(NamedTuple):
    """The step at which a run stopped, with its id: what it says, why it stopped, and what helps; empty if unknown."""

    id: str
    step: str
    why: str
    helps: str


@dataclass(frozen=True)
class Telling:
    """What a template may use; docs/settings.md lists it. What is not known is empty, or says so."""

    incident: str
    project: str
    operator: str
    kind: Kind = Kind.ROLLBACK
    emergency: bool = False
    forward: bool = False
    failed: str = "the failed release"
    target: str = "an unknown release"
    strategy: str = "not known"
    verdict: str = "not known"
    switch: TurnedSwitch | None = None
    restore: Restore | None = None
    #: By whom the traffic gate was closed, and since when, if it is closed.
    gate: str = ""
    #: What became of the schema, and what is still switched off, a sentence each.
    schema: Sequence[str] = ()
    switched_off: Sequence[str] = ()
    #: The interruption that is expected, and the seconds without service and since the beginning, in words.
    expected: str = "not known"
    down: str = "unknown"
    seconds: str = "unknown"
    stopped: Stopped | None = None
    #: What leads on: why, and what to type.
    next_why: str = ""
    next_command: str = ""
    record: str = ""
    ticket: str = ""
    head: str = ""
    #: Each change to production that was made, in words.
    changes: Sequence[str] = field(default=())

    @property
    def what(self) -> str:
        """What the run is in words, as what fails or is interrupted."""
        return "the emergency" if self.emergency else _WHAT[self.kind]


class Told(NamedTuple):
    """A title, a text, and what is wrong with the team's template, if ours had to be used."""

    title: str
    text: str
    problem: str = ""


class Templates:
    """One template a turn, whose first line is the title. Those in `folder`, if any, take the place of ours."""

    def __init__(self, folder: Path | None, redact: Callable[[str], str]) -> None:
        """`redact` is for each value, before a template can change it, and for what comes of it."""
        self._folder = folder
        self._redact = redact
        self._ours = self._environment(_OURS)
        self._theirs = self._environment(folder, _OURS) if folder else self._ours

    def fill(self, turn: Turn, telling: Telling) -> Told:
        """Return the message of `turn`, from our template where the team's cannot be filled: people are told anyhow."""
        name = _name(telling.kind, turn)
        try:
            theirs = self._folder is not None and (self._folder / name).is_file()
            return self._filled(self._theirs if theirs else self._ours, turn, telling)
        except Exception as error:  # noqa: BLE001 - a template may raise whatever its expressions raise
            why = one_line(f"{name}: {str(error) or type(error).__name__}")
            return self._filled(self._ours, turn, telling)._replace(problem=why)

    def check(self, telling: Telling) -> None:
        """Raise SettingsError where a file of the team's is for no turn, or cannot be filled."""
        if self._folder is None:
            return
        try:
            folders = [self._folder / kind for kind in Kind if kind is Kind.ROLLBACK or (self._folder / kind).is_dir()]
            paths = [path for folder in folders for path in folder.iterdir() if path.suffix == _SUFFIX]
        except OSError as error:
            raise SettingsError(
                f"announcement.templates: {self._folder} cannot be read ({error.strerror}), expected a folder",
                "correct announcement.templates in the settings",
            ) from None
        known = [_name(kind, turn) for kind in Kind for turn in Turn]
        for name in sorted(path.relative_to(self._folder).as_posix() for path in paths):
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1) or [", ".join(known)]
                raise SettingsError(
                    f"announcement.templates: {name} is for no turn, expected {close[0]}", "rename it, or remove it"
                )
        for problem in (told.problem for turn in Turn if (told := self.fill(turn, telling)).problem):
            raise SettingsError(
                f"announcement.templates: {problem}", f"correct it in {self._folder}; docs/settings.md has the names"
            )

    @staticmethod
    def _environment(*folders: Path) -> ImmutableSandboxedEnvironment:
        return ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folders), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )

    def _filled(self, environment: ImmutableSandboxedEnvironment, turn: Turn, telling: Telling) -> Told:
        names = ["what", *(each.name for each in fields(telling))]
        values = {name: self._safe(getattr(telling, name)) for name in names}
        # What ours has no words of its own for is the same for all kinds.
        found = environment.select_template([_name(telling.kind, turn), _name(Kind.ROLLBACK, turn)])
        lines = found.render(values).strip().splitlines()
        if not lines:
            raise ValueError("it gives no text")
        title, text = (self._redact(part.strip()) for part in (lines[0], "\n".join(lines[1:])))
        return Told(title, text or title)

    def _safe(self, value: Any) -> Any:
        """Foreign text as one line that calls nobody and disguises no link, however deep it stands."""
        if isinstance(value, str):
            return without_disguised_links(without_calls(" ".join(visible(self._redact(value)).split())))
        if isinstance(value, TurnedSwitch):
            return value.model_copy(update={name: self._safe(each) for name, each in value})
        if isinstance(value, Stopped | Restore):
            return type(value)(*map(self._safe, value))
        return tuple(map(self._safe, value)) if isinstance(value, tuple | list) else value


def _name(kind: Kind, turn: Turn) -> str:
    return str(PurePosixPath(kind, f"{turn}{_SUFFIX}"))
