"""People are told at every turn of an execution, beside the work; nothing that goes wrong with it reaches the run."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.options import Run
from runbook.actions import Action, ActionName, Outcome, Scope
from runbook.chapters.people.telling import telling as telling_of
from runbook.errors import JournalError
from runbook.incident.executor import Executor, Mode
from runbook.journal.journal import Journal
from runbook.journal.of_host import HostJournal
from runbook.notify.announcement import Channel
from runbook.notify.teller import Teller
from runbook.notify.telling import Kind, Stopped, Telling, Templates
from runbook.report.next_command import Next, next_command
from runbook.report.step_digest import in_short
from runbook.settings.people import Turn
from runbook.text import beginning

#: Characters of why a step stopped that people are told; the record has all.
_LONGEST_WHY = 500
#: Seconds for which the announcement waits for the messages before it; the channel may be down.
_IN_ORDER = 3.0


class People:
    """Watches one run, and tells people of its turns; what an earlier run of the incident told is not told again.

    One that abandons a switch goes another way than the runs before it, and so do those that come behind it.
    """

    def __init__(
        self,
        run: Run,
        journal: Journal,
        incident: Callable[[], Executor],
        open_channel: Callable[[], Channel],
        expected: Callable[[], str],
    ) -> None:
        """`incident` gives that of the host which the run is about at this moment."""
        self._run = run
        self._expected = expected
        self._incident_now = incident
        settings = run.settings.announcement
        self._turns = settings.turns if settings and run.mode is Mode.EXECUTE else ()
        self._templates = Templates(settings.templates if settings else None, journal.redactor.text)
        self._journal = journal
        self._teller = Teller(journal, open_channel)
        if self._turns:
            # Now, before anything is changed: later, loading it would compete with the change that is told of.
            import apprise  # noqa: F401, PLC0415
        self._told = _told_earlier(run)

    @property
    def _incident(self) -> Executor:
        return self._incident_now()

    def watch(self, change: Action, state: str) -> None:
        """Tell people of a change, if that is a turn of which they are told."""
        try:
            self._tell_of(change, state)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not stop a recovery
            with contextlib.suppress(JournalError):
                self._journal.write("told", turn=Turn.STARTED, about="", state="failed", why=str(error))

    def _tell_of(self, change: Action, state: str) -> None:
        if state == "begun" and change.scope in (Scope.PRODUCTION, Scope.NOTES):
            self._tell(Turn.STARTED)
        elif state == "begun" and change.name is ActionName.ANNOUNCE:
            self._teller.let_arrive(_IN_ORDER)  # it is sent by itself
        elif "emergency" in self._run.kind:
            return  # traffic was held for some seconds
        elif change.name is ActionName.RESUME_TRAFFIC and self._was_resumed(state):
            self._tell(Turn.TRAFFIC_RESUMED, host=self._host)

    def _was_resumed(self, state: str) -> bool:
        # Where a switch is abandoned, the gate was mostly never closed.
        return state == "done" or (state != "begun" and not self._run.abandons and bool(self._incident.changes_made))

    def ended(self, outcome: Outcome, closing: Mapping[str, Any]) -> None:
        """Tell how a run stopped that did not come to its end; `closing` is what its last entry will say."""
        try:
            self._tell_end(outcome, closing)
        finally:
            self._teller.settle(self._run.settings.deadlines.http)

    def _tell_end(self, outcome: Outcome, closing: Mapping[str, Any]) -> None:
        turn = self._turn_of(outcome)
        if turn is None:
            return
        entries = self._journal.entries
        steps = [step for step in in_short(entries) if step.stopped]
        told = [Stopped(s.id, f"{s.keyword} {s.text}", beginning(s.detail, _LONGEST_WHY), s.next_step) for s in steps]
        self._tell(turn, told[-1] if told else None, next_command([*entries, {"kind": "closed", **closing}]))

    def _turn_of(self, outcome: Outcome) -> Turn | None:
        if outcome is Outcome.INTERRUPTED:
            return Turn.INTERRUPTED
        if outcome is not Outcome.FAILED:
            return None
        if self._incident.undecided:
            return Turn.DECISION_NEEDED
        return Turn.FAILED if self._incident.changes_made else Turn.HELD

    @property
    def _host(self) -> str:
        """The name of the host that the run is about now, where it is one of several."""
        journal = self._incident.journal
        return journal.host if isinstance(journal, HostJournal) else ""

    def _tell(
        self, turn: Turn, stopped: Stopped | None = None, following: Next | None = None, *, host: str = ""
    ) -> None:
        about = stopped.id if stopped else host
        if turn not in self._turns or (turn, about) in self._told:
            return
        self._told.add((turn, about))
        why, command = (following.why, following.command) if following else ("", "")
        telling = replace(self._telling(host), stopped=stopped, next_why=why, next_command=command)
        self._teller.tell(turn, about, self._templates.fill(turn, telling))

    def _telling(self, host: str) -> Telling:
        name, emergency = self._run.settings.project.name, "emergency" in self._run.kind
        kind = Kind.ABANDON if self._run.abandons else Kind.RESTORE if self._run.kind == "restore" else Kind.ROLLBACK
        hosts = host or ", ".join(filter(None, self._run.on_each))
        name = f"{name} on {hosts}" if hosts else name
        return replace(telling_of(self._incident, name, kind, emergency=emergency), expected=self._expected())


def _told_earlier(run: Run) -> set[tuple[str, str]]:
    """What earlier runs of the incident told on the way that this run goes: each turn, and what it was about."""
    told: set[tuple[str, str]] = set()
    abandons = False
    for entry in run.earlier.entries if run.earlier else ():
        if entry["kind"] == "resumed" and bool(entry.get("abandons")) is not abandons:
            abandons = not abandons
            told.clear()
        elif entry["kind"] == "told" and entry["state"] == "done":
            told.add((entry["turn"], entry["about"]))
    return told if run.abandons is abandons else set()
