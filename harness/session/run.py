"""One run of the runbook from its first journal entry to its last."""

import importlib.metadata
import os
import platform
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import pytest

from harness.collection.order import Prerequisites, named
from harness.compat import FeatureFile
from harness.hosts.on_host import OnHost, on_each_host, opening_facts
from harness.hosts.scenarios import BEFORE_SCHEMA, host_of
from harness.options import Run
from harness.planned import PlannedOnly
from harness.session.people import People
from harness.session.run_lock import RunLocks
from harness.session.text_hash import others, text_of
from harness.terminal.progress import Progress
from runbook import VERSION
from runbook.actions import Action, ActionName, LeftOut, Outcome
from runbook.chapters import snapshot
from runbook.chapters.context import Context
from runbook.clock import utc_now
from runbook.errors import JournalError, RunbookError
from runbook.incident.availability_prober import AvailabilityProber
from runbook.incident.executor import Executor, Mode
from runbook.incident.facts import Override, Strategy
from runbook.incident.production_facts import Unknown
from runbook.journal.availability import Availability
from runbook.journal.journal import FORMAT, Journal
from runbook.notify.announcement import Channel
from runbook.operator import operator, operator_from
from runbook.report.archive.forecast import NOT_KNOWN, Forecast, Forecasts
from runbook.report.archive.usual_duration import usual_duration
from runbook.report.plan_lookup import Sought, newest_plan
from runbook.secrets.redactor import Redactor
from runbook.settings.absent import Absent

_PACKAGES = (
    "pytest",
    "pytest-bdd",
    "pytest-html",
    "docker",
    "httpx",
    "apprise",
    "jinja2",
    "pydantic",
    "pglast",
    "rich",
)


@dataclass
class Ending:
    """The outcome of a run, and the problems at its very end, in words."""

    outcome: Outcome
    trouble: list[str] = field(default_factory=list)


class RunSession:
    """The state that the hooks of one run share: the incident, its hosts, the passed scenarios and the progress."""

    def __init__(self, run: Run, redactor: Redactor, progress: Progress, needs: Prerequisites) -> None:
        """Open the journal. Raises JournalError if that fails."""
        self.run = run
        self.progress = progress
        self.needs = needs
        #: The whole journal. Each host has its part of it.
        self.journal = Journal(run.journal, redactor, go_on=run.earlier is not None)
        #: The hosts, the canary first; and the host of the running scenario, which is the canary if it covers all
        #: hosts.
        self.hosts = on_each_host(run, self.journal)
        self.now, self._of_all = self.hosts[0], True
        for each in self.hosts:
            each.incident.listener = progress
            each.incident.overriding, each.incident.urgent = run.overriding, "emergency" in run.kind
        if run.earlier is not None:
            if len(self.journal.entries) != len(run.earlier.entries):
                self.abandon()
                raise JournalError(
                    f"another run has just resumed {run.incident}",
                    "see how it ended, then try again",
                )
            for each in self.hosts:
                each.go_on_from(run.earlier.entries, elsewhere=run.earlier.elsewhere)
        #: Holds this run to the plan named by `--plan`. None without one.
        self.planned_only: PlannedOnly | None = None
        if run.plan is not None:
            marks = ("-m", run.mark) if run.mark else ()
            again = run.command(*marks, *run.options.typed)
            self.planned_only = PlannedOnly(run.plan, lambda: self.incident, self.journal, again)
            for each in self.hosts:
                each.incident.permit = self.planned_only.permit
        self.forecasts = Forecasts(run.folder.parent, run.settings.project.name)
        #: The engine's machine, empty until it is known.
        self.host = ""
        self.people = People(run, self.journal, lambda: self.incident, self._new_channel, self.expected_interruption)
        for each in self.hosts:
            each.incident.watching = self.people.watch
        #: The outcome of each scenario, by node id.
        self.ended: dict[str, Outcome] = {}
        #: Why scenarios need not run again, by node id.
        self.settled: dict[str, LeftOut] = {}
        self.items: list[str] = []
        self._selected: tuple[pytest.Item, ...] = ()
        #: Whether this plan covers only a part of the runbook.
        self.is_part = False
        #: The run's ending, None until then.
        self.ending: Ending | None = None
        self.locks: RunLocks | None = None

    @property
    def incident(self) -> Executor:
        """The incident on the host of the running scenario."""
        return self.now.incident

    @property
    def context(self) -> Context:
        """The context of production there."""
        return self.now.context

    def turn_to(self, item: pytest.Item) -> None:
        """Switch to the host of this scenario, or to all hosts."""
        name = host_of(item)
        self._of_all = not name or bool(item.get_closest_marker(BEFORE_SCHEMA) and self._before_shared_schema(name))
        self.now = next((each for each in self.hosts if each.name == name), self.hosts[0])
        for each in self.hosts:
            each.begin_step(of_all=not name)

    def taking_part(self) -> list[OnHost]:
        """Return the hosts on which the open step runs: one, or all hosts that have anything to do."""
        if not self._of_all or len(self.hosts) == 1:
            return [self.now]
        return [each for each in self.hosts if not each.incident.facts.nothing_to_do] or [self.now]

    def _before_shared_schema(self, name: str) -> bool:
        """Return whether that host is the first one and the strategy changes a schema that all hosts share."""
        database, strategy = self.run.settings.database, self.hosts[0].incident.facts.strategy
        shared = database is not None and database.hosts == "shared"
        return shared and name == self.hosts[0].name and strategy in (Strategy.DOWNGRADE, Strategy.FORWARD_FIX)

    def also_done_on(self, change: Action) -> list[OnHost]:
        """Return the other hosts on which the application stops too, because the schema they share changes."""
        stops = change.name is ActionName.STOP_APPLICATION and self._before_shared_schema(self.now.name)
        return list(self.hosts[1:]) if stops else []

    @property
    def changes_made(self) -> list[str]:
        """The changes to production that were begun, in words, host by host."""
        return [self.told_on(each, change) for each in self.hosts for change in each.incident.changes_made]

    def told_on(self, host: OnHost, words: str) -> str:
        """Return the words, prefixed with the host's name if there are several hosts."""
        return f"{host.name}: {words}" if host.name else words

    @property
    def not_configured(self) -> Counter[Absent]:
        """The parts that the settings leave out, with the number of steps that had nothing to do, over all hosts."""
        return sum((each.incident.not_configured for each in self.hosts), Counter())

    @property
    def nothing_to_do(self) -> str | None:
        """The reason why there is nothing to do on any host, or None if there is something to do."""
        told = [each.incident.facts.nothing_to_do for each in self.hosts]
        return told[0] if all(told) else None

    @property
    def worst_availability(self) -> Availability | None:
        """The availability seen by users; with several addresses, of one that is down, if any."""
        known = [found for each in self.hosts if (found := each.availability.summary) is not None]
        return next((each for each in known if each.down_since is not None), known[0] if known else None)

    def _new_channel(self) -> Channel:
        return self.context.new_channel()

    @property
    def outcome(self) -> Outcome | None:
        """The run's outcome, None until it has ended."""
        return self.ending.outcome if self.ending else None

    def forecast(self, patience: float = 0.0) -> Forecast | None:
        """Return the expected interruption, waiting at most `patience` seconds for the forecast."""
        return self.forecasts.found(self.incident.facts.way, self.host, patience)

    def expected_interruption(self, patience: float = 0.0) -> str:
        """Return the expected interruption in words."""
        return str(self.forecast(patience) or NOT_KNOWN)

    def abandon(self) -> None:
        """Close the journal of a refused run."""
        self.journal.close()

    def open(
        self,
        items: Sequence[pytest.Item],
        locks: RunLocks | None,
        where: Mapping[str, Mapping[str, str | None]] | None = None,
    ) -> None:
        """Record who starts or resumes what, and where. Wait for commands that a killed run left running.

        `where` holds the known facts about each host, by name.
        """
        self._selected = tuple(items)
        self.show_standing()
        if self.run.mode is Mode.EXECUTE:
            usual = usual_duration(self.run.folder.parent, self.run.settings.project.name, self.run.kind)
            self.progress.now.standing.expected = usual
        found = opening_facts(self.hosts, where or {}, locks.facts if locks else lambda _host: None)
        self.host = str(found.get("host") or "")
        self.forecasts.start()
        self.progress.opened(self.run, lambda: self.worst_availability)
        self.items = [item.nodeid for item in items]
        text = text_of({item.path for item in items}, self.run.settings_file)
        begun = {**_opening(self.run, items), **found, "text": text}
        if self.run.earlier is None:
            self.journal.write("opened", sync=True, format=FORMAT, **begun)
        else:
            begun["other_text"] = other = others(self.run.earlier.begun, text)
            self.journal.write("resumed", sync=True, **begun)
            if other:
                self.progress.note(f"{' and '.join(other)} changed since the incident's last run")
            for each in self.hosts:
                each.settle(self.progress.note)
        self._put_plan_on_record()
        for prober in self._probers:
            prober.start()
        if self.run.options.override:
            self._vouch()
        if locks is not None:
            self.locks = locks
            for each in self.hosts:
                each.incident.before_change = locks.keep

    @property
    def _probers(self) -> list[AvailabilityProber]:
        return list(dict.fromkeys(each.availability for each in self.hosts))

    def show_standing(self) -> None:
        """Update the header with what is known: release and target, strategy, number of steps."""
        facts, standing = self.incident.facts, self.progress.now.standing
        found = facts.origin or facts.before
        standing.source, standing.target = ", ".join(found.tags) if found else "", facts.target_tag
        standing.strategy = str(facts.strategy or "")
        if switch := facts.switch:
            standing.strategy = f"{switch.variable}={switch.value}"
        standing.steps = sum(self._steps_of(item) for item in self._selected)

    def _steps_of(self, item: pytest.Item) -> int:
        """Return how many steps of a scenario will run, as far as is known now."""
        facts = self.incident.facts
        decided = {"strategy": facts.strategy, "switch": facts.switchover.mode if facts.switchover else None}
        other_way = any(
            way is not None and (ways := named(item, mark)) and way not in ways for mark, way in decided.items()
        )
        left_out = self.ended.get(item.nodeid) is Outcome.NOT_APPLICABLE
        feature = item.parent
        return 0 if other_way or left_out or not isinstance(feature, FeatureFile) else feature.steps_of(item)

    def _put_plan_on_record(self) -> None:
        """Keep the incident's plan in the journal. The page compares it with what was executed."""
        journal = self.journal
        if self.run.mode is Mode.EXECUTE and not any(entry["kind"] == "plan" for entry in journal.entries):
            named = self.run.plan
            plan = named.as_kept() if named else newest_plan(self.run.folder.parent, Sought.by(journal.entries[0]))
            journal.write("plan", sync=True, **plan)

    def _vouch(self) -> None:
        # The reason also goes into the ledger on the host.
        because = self.journal.redactor.text(str(self.run.options.because))
        word = Override(by=operator(), because=because, at=utc_now())
        for each in self.hosts:
            before = each.incident.facts.overrides
            each.incident.record_fact("overrides", before | dict.fromkeys(self.run.options.override, word))

    def close(self, ending: Outcome, stopped_by: str | None) -> bool:
        """Close what is open, look at production again and write the last entry. Return whether all of that succeeded.

        Raises nothing.
        """
        self.ending = Ending(ending)
        # Separately: a full disk or a bug must not prevent the steps after it, or the last lines.
        steps: list[Callable[[], object]] = [
            partial(self._close_step, stopped_by),
            *(partial(self._look_after, each) for each in self.hosts),
            *(prober.stop for prober in self._probers),
            self._tell,
            self._close_tools,
            self._close,
        ]
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - every failure goes into the last lines
                self.ending.trouble.append(str(error))
        return not self.ending.trouble

    def passed_earlier(self, item: pytest.Item) -> bool:
        """Return whether a scenario passed in an earlier run of this incident."""
        return self.run.earlier is not None and item.name in self.run.earlier.passed_scenarios

    @property
    def remaining(self) -> list[str]:
        """The incident's scenarios that have neither passed nor become unnecessary.

        An abandoned incident needs none of them.
        """
        if self.run.abandons and self.outcome is Outcome.PASSED:
            return []
        earlier = self.run.earlier
        first = earlier.entries[0]["scenarios"] if earlier else list(self.items)
        passed = {item for item, outcome in self.ended.items() if outcome is Outcome.PASSED} | set(self.settled)
        before = earlier.passed_scenarios if earlier else frozenset()
        return [
            item
            for item in first
            if item not in passed and not (item not in self.ended and item.rpartition("::")[2] in before)
        ]

    @property
    def _closing(self) -> dict[str, Any]:
        trouble = self.journal.trouble
        return {
            "outcome": self.outcome,
            "changes_made": self.changes_made,
            "reached": sorted(self.needs.reached),
            "remaining": self.remaining,
            **({"trouble": trouble} if trouble else {}),
        }

    def _tell(self) -> None:
        try:
            self.people.ended(self.ending.outcome if self.ending else Outcome.INTERRUPTED, self._closing)
        except Exception as error:  # noqa: BLE001 - an untold message is no problem of the run
            self.progress.note(f"the message about the outcome was not sent ({error})")

    def _close(self) -> None:
        journal = self.journal
        journal.make_room()
        journal.write("closed", sync=True, **self._closing)
        journal.close()

    def _close_tools(self) -> None:
        for each in self.hosts:
            each.close()

    def _close_step(self, stopped_by: str | None) -> None:
        if self.incident.step_is_open:
            # pytest reports no test that a signal stopped, so no other hook has closed the step.
            why = f"stopped by {stopped_by}" if stopped_by else "the run ended while this step was open"
            self.progress.step_ended(*self.incident.step_ended(KeyboardInterrupt(why)))

    def _look_after(self, host: OnHost) -> None:
        incident = host.incident
        facts = incident.facts
        seen = facts.after is not None and self.outcome is Outcome.PASSED
        refused = incident.mode is Mode.VALIDATE and self.outcome is Outcome.FAILED
        # If the host stopped answering, the snapshot from the beginning no longer holds.
        lost = self.context.host.out_of_reach or any(entry.get("at_large") for entry in incident.journal.entries)
        changed = incident.mode is Mode.EXECUTE and (incident.changes_made or lost or not facts.before)
        if seen or not (refused or changed):
            return
        # The run did not complete: record the state of production, changed or not.
        try:
            incident.record_fact("after", snapshot.take(host.context))
        except JournalError:
            raise
        except RunbookError as error:
            incident.record_fact("after", Unknown.of(error))


def _opening(run: Run, items: Sequence[pytest.Item]) -> dict[str, Any]:
    return {
        "incident": run.incident,
        "project": run.settings.project.name,
        "directory": str(run.settings.project.directory),
        "type": run.kind,
        "mode": run.mode,
        **({"abandons": True} if run.abandons else {}),
        "asked_for": asdict(run.options),
        "typed": run.typed,
        "operator": operator(),
        "operator_from": operator_from(),
        "operator_host": socket.gethostname(),
        "process": os.getpid(),
        "review": run.settings.review.model_dump(mode="json"),
        "scenarios": [item.nodeid for item in items],
        "versions": {"runbook": VERSION, "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
