"""The earlier runs of the incident that `--resume` continues."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from harness.session.retyped import Typed
from runbook.actions import Scope
from runbook.command_hints import mark_of
from runbook.errors import JournalError, SettingsError
from runbook.incident.facts import Facts
from runbook.incident.options import Options
from runbook.journal.hash_chain import Entry
from runbook.journal.verify import verify
from runbook.settings.schema import Settings

_RESUMABLE = ("rollback", "emergency", "restore", "rehearsal", "emergency-rehearsal")
_RESUMABLE_NAME = re.compile(rf"-({'|'.join(_RESUMABLE)})(-[0-9]+)?$")


@dataclass(frozen=True)
class PreviousRuns:
    """The runs of an incident so far: their entries, the kind of incident, and the options asked for."""

    entries: tuple[Entry, ...]
    kind: str
    options: Options
    #: Whether this run asks for another target than before. Nothing was changed yet, so everything is checked again.
    elsewhere: bool = False

    @property
    def begun(self) -> list[Entry]:
        """The first entry of each of its runs."""
        return [entry for entry in self.entries if entry["kind"] in ("opened", "resumed")]

    @property
    def passed(self) -> frozenset[str]:
        """The names provided by the scenarios whose last run passed."""
        return frozenset(name for provided in self._passed().values() for name in provided)

    @property
    def passed_scenarios(self) -> frozenset[str]:
        """The names of the scenarios whose last run passed."""
        return frozenset(self._passed())

    def _passed(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry["kind"] == "scenario began":
                # A scenario that began again and never ended counts as not passed.
                found.pop(entry["scenario"], None)
            elif entry["kind"] == "scenario ended" and entry["outcome"] == "passed":
                found[entry["scenario"]] = entry.get("provides", [])
        return found

    def may_be_overridden(self, step: str) -> bool:
        """Return whether the step with that id failed or was inconclusive in its last run."""
        outcomes, open_id = {}, ""
        for entry in self.entries:
            if entry["kind"] == "step began":
                open_id = entry.get("id", "")
            elif entry["kind"] == "step ended":
                outcomes[open_id] = entry["outcome"]
        return outcomes.get(step) in ("inconclusive", "failed")


def read_earlier(folder: Path, settings: Settings, given: Options, typed: Typed, *, mark: str) -> PreviousRuns:
    """Read the incident in `folder`, and combine its earlier options with those `given` now.

    `mark` is the mark that selects this kind of incident, empty for a rollback.

    Raises SettingsError if the incident cannot be resumed, and JournalError if its journal was changed.
    """
    name, journal = folder.name, folder / "journal.jsonl"
    anew = typed.without("--resume")
    if not journal.is_file():
        raise SettingsError(
            f"--resume {name}: no journal of that incident in {folder.parent} ({_newest(folder.parent)})",
            "name the folder with --reports, or copy it here from the machine that ran it; to continue the rollback"
            f" without it, from the note on the production host, type {anew}",
        )
    entries = verify(journal).entries
    opened: Mapping[str, Any] = entries[0] if entries else {}
    if opened.get("kind") != "opened":
        raise JournalError(
            f"the journal {journal} was changed after it was written", f"to start a new incident, type {anew}"
        )
    project = settings.project.name
    if (opened["project"], opened["directory"]) != (project, str(settings.project.directory)):
        raise SettingsError(
            f"incident {name} is about {opened['project']} in {opened['directory']}, but the settings are for {project}"
            f" in {settings.project.directory}",
            "name the right settings with --settings",
        )
    if opened["mode"] != "execute":
        raise SettingsError(f"incident {name} was a plan: it changed nothing", f"type {anew}")
    last = entries[-1]
    over = {"passed": "it passed", "nothing to do": "there was nothing to do"}
    if last["kind"] == "closed" and last["outcome"] in over and not last.get("remaining"):
        raise SettingsError(
            f"incident {name} has ended: {over[last['outcome']]}",
            f"to see the state of production, type {anew.without('--execute')}",
        )
    kind = str(opened["type"])
    if kind not in _RESUMABLE:
        raise SettingsError(
            f"incident {name} is of the kind {kind}, which cannot be resumed", f"to start a new incident, type {anew}"
        )
    own = mark_of(kind)
    if own != mark:
        again = typed.without("-m").plus("-m", own) if own else typed.without("-m")
        raise SettingsError(f"incident {name} is of the kind {kind}", f"to resume it, type {again}")
    asked = [entry["asked_for"] for entry in entries if entry["kind"] in ("opened", "resumed")]
    if "emergency" in kind:
        _refuse_other_switch(name, _joined(asked, Options()), given, typed)
    other = _goes_elsewhere(name, entries, given, typed)
    options = _joined(asked, given)
    if Facts.of(entries, ("loss accepted",)).loss_accepted:
        # The loss accepted then is on record as a fact. The option typed now accepts only what is named now.
        options = replace(options, accept_loss=given.accept_loss)
    return PreviousRuns(entries, kind, options, other)


#: Options that replace each other.
_INSTEAD = {"enable": "disable", "disable": "enable", "target": "forward_fix", "forward_fix": "target"}


def _refuse_other_switch(name: str, asked: Options, given: Options, typed: Typed) -> None:
    if (given.enable or given.disable) and (given.enable, given.disable) != (asked.enable, asked.disable):
        raise SettingsError(
            f"incident {name} turns one switch in one direction, but --enable or --disable names another",
            f"to resume it, type {typed.without('--enable', '--disable')}",
        )


def _newest(reports: Path) -> str:
    journals = [path.parent.name for path in reports.glob("*/journal.jsonl")]
    found = sorted((name for name in journals if _RESUMABLE_NAME.search(name)), reverse=True)
    return f"newest: {', '.join(found[:3])}{', …' if len(found) > 3 else ''}" if found else "there is none"


def _joined(asked: Sequence[Mapping[str, Any]], given: Options) -> Options:
    """Return the options of all runs, the newest value of each. Overrides come from `given`: older ones are facts."""
    joined: dict[str, Any] = {}
    for options in (*asked, {field.name: getattr(given, field.name) for field in fields(Options)}):
        for name, value in options.items():
            if value:
                joined.pop(_INSTEAD.get(name, ""), None)
                joined[name] = value
    return Options(**(joined | {"override": given.override, "hosts": tuple(joined.get("hosts") or ())}))


def _goes_elsewhere(name: str, entries: Sequence[Entry], given: Options, typed: Typed) -> bool:
    """Return whether another target is asked for. Raises SettingsError if production was already changed."""
    pinned = Facts.of(entries, ("target",)).target_tag
    other = given.target or given.forward_fix
    if not pinned or not other or other == pinned:
        return False
    if any(e["kind"] == "action" and e["scope"] == Scope.PRODUCTION and e["state"] == "begun" for e in entries):
        option = "--to" if given.target else "--forward-fix"
        raise SettingsError(
            f"incident {name} has the target {pinned}, but {option} names {other}",
            f"to resume it, omit {option}; to go to {other} instead, type {typed.without('--resume')}",
        )
    return True
