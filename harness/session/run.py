"""One run of the runbook between its first entry and its last: the incident, its lock, its tools, and how it ends."""

import importlib.metadata
import os
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import pytest

from harness.collection.order import Prerequisites
from harness.options import Run
from harness.session.run_lock import RunLock
from harness.session.text_hash import others, text_of
from harness.terminal.progress import Progress
from runbook import VERSION
from runbook.actions import LeftOut, Outcome
from runbook.chapters import snapshot
from runbook.chapters.context import Context
from runbook.clock import utc_now
from runbook.errors import JournalError, RunbookError, unknown
from runbook.hosts.local import Host
from runbook.incident.availability_prober import AvailabilityProber
from runbook.incident.executor import Executor, Mode
from runbook.incident.orphaned_command import settle
from runbook.journal.journal import FORMAT, Journal
from runbook.operator import operator, operator_from
from runbook.report.plan_lookup import Sought, newest_plan
from runbook.secrets.redactor import Redactor

_PACKAGES = ("pytest", "pytest-bdd", "pytest-html", "httpx", "apprise", "jinja2", "pydantic", "pglast", "rich")


@dataclass
class Ending:
    """How a run ended, and what went wrong at the very end, in words."""

    outcome: Outcome
    trouble: list[str] = field(default_factory=list)


class RunSession:
    """What the hooks of one run share: the open incident, its tools, what passed, and the progress on the terminal."""

    def __init__(self, run: Run, redactor: Redactor, progress: Progress, needs: Prerequisites) -> None:
        """Open the journal. Raises JournalError when that is not possible."""
        self.run = run
        self.progress = progress
        self.needs = needs
        self.incident = Executor(run.incident, run.mode, Journal(run.journal, redactor, go_on=run.earlier is not None))
        self.incident.listener = progress
        self.incident.overriding, self.incident.urgent = run.overriding, "emergency" in run.kind
        self.availability = AvailabilityProber.of(run.settings, self.incident.journal)
        if run.earlier is not None:
            if len(self.incident.journal.entries) != len(run.earlier.entries):
                self.abandon()
                raise JournalError(
                    f"another run went on with {run.incident} at this very moment",
                    "look at how it ended, then try again",
                )
            self.incident.go_on_from(run.earlier.entries, elsewhere=run.earlier.elsewhere)
        #: How each scenario ended, by its id.
        self.ended: dict[str, Outcome] = {}
        #: Why scenarios need not run any more, by id.
        self.settled: dict[str, LeftOut] = {}
        self.items: list[str] = []
        #: Whether this is a plan of a part of the runbook.
        self.is_part = False
        #: How the run ended; None until then.
        self.ending: Ending | None = None
        self.lock: RunLock | None = None
        self._tools: Context | None = None

    @property
    def context(self) -> Context:
        """The parts of this production; made on first use, when the journal can tell about it."""
        if self._tools is None:
            self._tools = Context(self.run.settings, self.incident, self.run.options, lambda: self.availability.summary)
        return self._tools

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None until then."""
        return self.ending.outcome if self.ending else None

    def abandon(self) -> None:
        """Let go of the journal of a run that is refused."""
        self.incident.journal.close()

    def open(
        self, items: Sequence[pytest.Item], lock: RunLock | None, where: Mapping[str, str | None] | None = None
    ) -> None:
        """Put on record who begins, or goes on with, what and `where`; wait for what a killed run left at work."""
        self.progress.opened(self.run, lambda: self.availability.summary)
        self.items = [item.nodeid for item in items]
        text = text_of({item.path for item in items})
        begun = {**_opening(self.run, items), **(where or {}), "lock": lock.facts if lock else None, "text": text}
        if self.run.earlier is None:
            self.incident.journal.write("opened", sync=True, format=FORMAT, **begun)
        else:
            begun["other_text"] = other = others(self.run.earlier.begun, text)
            self.incident.journal.write("resumed", sync=True, **begun)
            if other:
                self.progress.note(f"this run has other {' and '.join(other)} than the incident had before")
            host = Host(self.run.settings.host.environment, self.incident)
            settle(self.incident.journal, self.progress.note, host)
        self._put_plan_on_record()
        self.availability.start()
        if self.run.options.override:
            self._vouch()
        if lock is not None:
            self.lock = lock
            self.incident.before_change = lock.keep

    def _put_plan_on_record(self) -> None:
        """Keep what the plan of this incident said; the page shows it beside what was done."""
        journal = self.incident.journal
        if self.run.mode is Mode.EXECUTE and not any(entry["kind"] == "plan" for entry in journal.entries):
            plan = newest_plan(self.run.folder.parent, Sought.by(journal.entries[0]))
            journal.write("plan", sync=True, **plan)

    def _vouch(self) -> None:
        # It goes into the ledger on the host as well.
        because = self.incident.journal.redactor.text(str(self.run.options.because))
        word = {"by": operator(), "because": because, "at": utc_now()}
        before = self.incident.facts.get("overrides", {})
        self.incident.record_fact("overrides", before | dict.fromkeys(self.run.options.override, word))

    def close(self, ending: Outcome, stopped_by: str | None) -> bool:
        """Close what is open, look at production once more, and write the last entry; tell whether all that was done.

        Raises nothing.
        """
        self.ending = Ending(ending)
        # Each of these on its own: a full disk, or a bug, must not keep the next from being done, nor the last lines.
        for step in (partial(self._close_step, stopped_by), self._look_after, self.availability.stop, self._close):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever it was, it goes into the last lines
                self.ending.trouble.append(str(error))
        return not self.ending.trouble

    def passed_earlier(self, item: pytest.Item) -> bool:
        """Tell whether a scenario passed in an earlier run of this incident."""
        return self.run.earlier is not None and item.name in self.run.earlier.passed_scenarios

    @property
    def remaining(self) -> list[str]:
        """The scenarios that the incident began with, and that neither passed in it nor need to run any more."""
        earlier = self.run.earlier
        first = earlier.entries[0]["scenarios"] if earlier else list(self.items)
        passed = {item for item, outcome in self.ended.items() if outcome is Outcome.PASSED} | set(self.settled)
        before = earlier.passed_scenarios if earlier else frozenset()
        return [
            item
            for item in first
            if item not in passed and not (item not in self.ended and item.rpartition("::")[2] in before)
        ]

    def _close(self) -> None:
        journal = self.incident.journal
        journal.make_room()
        journal.write(
            "closed",
            sync=True,
            outcome=self.outcome,
            changes_made=list(self.incident.changes_made),
            reached=sorted(self.needs.reached),
            remaining=self.remaining,
            **({"trouble": journal.trouble} if journal.trouble else {}),
        )
        journal.close()

    def _close_step(self, stopped_by: str | None) -> None:
        if self.incident.step_is_open:
            # pytest reports no test that a signal stopped, so no other hook has closed it.
            why = f"stopped by {stopped_by}" if stopped_by else "the run was ended while this step was open"
            self.progress.step_ended(*self.incident.step_ended(KeyboardInterrupt(why)))

    def _look_after(self) -> None:
        incident = self.incident
        seen = "after" in incident.facts and self.outcome is Outcome.PASSED
        if seen or incident.mode is not Mode.EXECUTE or (not incident.changes_made and "before" in incident.facts):
            return
        # Something was changed and the run did not come to its end: what production is now must be known.
        try:
            incident.record_fact("after", snapshot.take(self.context))
        except JournalError:
            raise
        except RunbookError as error:
            incident.record_fact("after", unknown(error))


def _opening(run: Run, items: Sequence[pytest.Item]) -> dict[str, Any]:
    return {
        "incident": run.incident,
        "project": run.settings.project.name,
        "directory": str(run.settings.project.directory),
        "type": run.kind,
        "mode": run.mode,
        "asked_for": asdict(run.options),
        "typed": run.typed,
        "operator": operator(),
        "operator_from": operator_from(),
        "operator_host": socket.gethostname(),
        "process": os.getpid(),
        "scenarios": [item.nodeid for item in items],
        "versions": {"runbook": VERSION, "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
