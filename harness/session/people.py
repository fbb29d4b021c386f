"""Messages to people at every turn of an execution, sent in parallel. Their failures never reach the run."""

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
from runbook.report.step_digest import step_digests
from runbook.settings.people import Turn
from runbook.text import beginning

#: Characters of the reason for a stopped step in a message. The record has all of it.
_LONGEST_WHY = 500
#: Seconds that the announcement waits for earlier messages, because the channel may be down.
_IN_ORDER = 3.0


class People:
    """Watches one run and tells people of its turns. Turns that an earlier run of the incident told are not repeated.

    A run that abandons a switch starts anew, and so do the runs that resume the rollback after it.
    """

    def __init__(
        self,
        run: Run,
        journal: Journal,
        incident: Callable[[], Executor],
        open_channel: Callable[[], Channel],
        expected: Callable[[], str],
    ) -> None:
        """`incident` returns the executor of the host that the run is working on."""
        self._run = run
        self._expected = expected
        self._incident_now = incident
        settings = run.settings.announcement
        self._turns = settings.turns if settings and run.mode is Mode.EXECUTE else ()
        self._templates = Templates(settings.templates if settings else None, journal.redactor.text)
        self._journal = journal
        self._teller = Teller(journal, open_channel)
        if self._turns:
            # Load it before anything is changed: later, loading would compete with the change that is reported.
            import apprise  # noqa: F401, PLC0415
        self._told = _told_earlier(run)

    @property
    def _incident(self) -> Executor:
        return self._incident_now()

    def watch(self, change: Action, state: str) -> None:
        """Tell people of a change if it is one of the configured turns."""
        try:
            self._tell_of(change, state)
        except Exception as error:  # noqa: BLE001 - no failure may stop a recovery
            with contextlib.suppress(JournalError):
                self._journal.write("told", turn=Turn.STARTED, about="", state="failed", why=str(error))

    def _tell_of(self, change: Action, state: str) -> None:
        if state == "begun" and change.scope in (Scope.PRODUCTION, Scope.NOTES):
            self._tell(Turn.STARTED)
        elif state == "begun" and change.name is ActionName.ANNOUNCE:
            self._teller.wait_until_sent(_IN_ORDER)  # the announcement is sent separately
        elif "emergency" in self._run.kind:
            return  # traffic was held for a few seconds only
        elif change.name is ActionName.RESUME_TRAFFIC and self._was_resumed(state):
            self._tell(Turn.TRAFFIC_RESUMED, host=self._host)

    def _was_resumed(self, state: str) -> bool:
        # An abandoned switch mostly never closed the gate.
        return state == "done" or (state != "begun" and not self._run.abandons and bool(self._incident.changes_made))

    def ended(self, outcome: Outcome, closing: Mapping[str, Any]) -> None:
        """Tell people how the run stopped if it did not complete. `closing` is the content of its last entry."""
        try:
            self._tell_end(outcome, closing)
        finally:
            self._teller.settle(self._run.settings.deadlines.http)

    def _tell_end(self, outcome: Outcome, closing: Mapping[str, Any]) -> None:
        turn = self._turn_of(outcome)
        if turn is None:
            return
        entries = self._journal.entries
        steps = [step for step in step_digests(entries) if step.stopped]
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
        """The host that the run is working on, if there are several."""
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
    """Return what earlier runs told on the same way, abandoning or not: each turn and its subject."""
    told: set[tuple[str, str]] = set()
    abandons = False
    for entry in run.earlier.entries if run.earlier else ():
        if entry["kind"] == "resumed" and bool(entry.get("abandons")) is not abandons:
            abandons = not abandons
            told.clear()
        elif entry["kind"] == "told" and entry["state"] == "done":
            told.add((entry["turn"], entry["about"]))
    return told if run.abandons is abandons else set()
