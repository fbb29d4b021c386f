"""The announcement at each turn of an execution: a template, the team's or the built-in one, filled with the facts."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runbook.errors import SettingsError
from runbook.incident.production_facts import TurnedSwitch
from runbook.markdown import without_calls, without_disguised_links
from runbook.notify.wording import Restore
from runbook.settings.people import Turn
from runbook.text import one_line, visible

_OURS = Path(__file__).with_name("templates")
_SUFFIX = ".jinja"


class Kind(StrEnum):
    """The kinds of runs with their own announcements. Their templates are in the folder with that name.

    A template for a rollback would be wrong for the other kinds.
    """

    ROLLBACK = ""  # also an emergency
    RESTORE = "restore"
    ABANDON = "abandon"


_WHAT = {
    Kind.ROLLBACK: "the rollback",
    Kind.RESTORE: "the restore",
    Kind.ABANDON: "abandoning the switch",
}


class Stopped(NamedTuple):
    """The step at which a run stopped: its ID, its text, the reason and the next step; empty if unknown."""

    id: str
    step: str
    why: str
    helps: str


@dataclass(frozen=True)
class Telling:
    """The variables of a template, listed in docs/settings.md. Unknown values are empty, or say so."""

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
    #: Who closed the traffic gate, and when, if it is closed.
    gate: str = ""
    #: What happened to the schema, and what is still switched off, in sentences.
    schema: Sequence[str] = ()
    switched_off: Sequence[str] = ()
    #: In words: the expected interruption, the seconds without service, the seconds since the beginning.
    expected: str = "not known"
    down: str = "unknown"
    seconds: str = "unknown"
    stopped: Stopped | None = None
    #: The next step: the reason, and the command to type.
    next_why: str = ""
    next_command: str = ""
    record: str = ""
    ticket: str = ""
    head: str = ""
    #: The changes made to production, in words.
    changes: Sequence[str] = field(default=())

    @property
    def what(self) -> str:
        """The run in words, as the subject of "failed" or "was interrupted"."""
        return "the emergency" if self.emergency else _WHAT[self.kind]


class Told(NamedTuple):
    """A title, a text, and the error of the team's template if the built-in one replaced it."""

    title: str
    text: str
    problem: str = ""


class Templates:
    """One template per turn; its first line is the title. Templates in `folder` replace the built-in ones."""

    def __init__(self, folder: Path | None, redact: Callable[[str], str]) -> None:
        """`redact` is applied to each value, before a template can change it, and to the result."""
        self._folder = folder
        self._redact = redact
        self._ours = self._environment(_OURS)
        self._theirs = self._environment(folder, _OURS) if folder else self._ours

    def fill(self, turn: Turn, telling: Telling) -> Told:
        """Return the message of `turn`, from the built-in template if the team's cannot be filled."""
        name = _name(telling.kind, turn)
        try:
            theirs = self._folder is not None and (self._folder / name).is_file()
            return self._filled(self._theirs if theirs else self._ours, turn, telling)
        except Exception as error:  # noqa: BLE001 - a template may raise any error
            why = one_line(f"{name}: {str(error) or type(error).__name__}")
            return self._filled(self._ours, turn, telling)._replace(problem=why)

    def check(self, telling: Telling) -> None:
        """Raise SettingsError when a template of the team is for no turn, or cannot be filled."""
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
                    f"announcement.templates: {name} matches no turn, expected {close[0]}", "rename it, or remove it"
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
        # A kind without its own template uses the rollback's.
        found = environment.select_template([_name(telling.kind, turn), _name(Kind.ROLLBACK, turn)])
        lines = found.render(values).strip().splitlines()
        if not lines:
            raise ValueError("it produces no text")
        title, text = (self._redact(part.strip()) for part in (lines[0], "\n".join(lines[1:])))
        return Told(title, text or title)

    def _safe(self, value: Any) -> Any:
        """Return a value whose texts, at any depth, are one line without mentions and disguised links."""
        if isinstance(value, str):
            return without_disguised_links(without_calls(" ".join(visible(self._redact(value)).split())))
        if isinstance(value, TurnedSwitch):
            return value.model_copy(update={name: self._safe(each) for name, each in value})
        if isinstance(value, Stopped | Restore):
            return type(value)(*map(self._safe, value))
        return tuple(map(self._safe, value)) if isinstance(value, tuple | list) else value


def _name(kind: Kind, turn: Turn) -> str:
    return str(PurePosixPath(kind, f"{turn}{_SUFFIX}"))
