"""The incident that a journal records, in the form that the templates of the record need."""

import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from runbook.actions import Outcome
from runbook.clock import seconds_between
from runbook.incident.facts import Facts, Strategy
from runbook.journal.journal import Entry, newest_run
from runbook.journal.of_host import entries_of, hosts_of
from runbook.report.downtime import Downtime, Probed, known_whole, measured, still_down, without_service
from runbook.report.next_command import next_command
from runbook.report.production_view import Production, ProductionOnAll
from runbook.report.timeline import Scenario, Step, Timeline

#: The names that scenarios provide (`@provides`) after which production works again for users.
_RECOVERED = {"rolled-back", "export-mode-confirmed"}
#: The names that scenarios provide after which everything that was asked for was reached.
_WHOLE = {*_RECOVERED, "known-good", "way-back", "restored", "unlocked"}
#: The outcomes of runs that leave nothing to repair.
_CALM = ("planned", "decision needed", "nothing to do")
_KINDS = {
    "plan": "plan of a rollback",
    "emergency-plan": "plan of an emergency",
    "restore-plan": "plan of a restore",
    "rehearsal-plan": "plan in a rehearsal",
    "emergency-rehearsal": "rehearsal of an emergency",
    "emergency-rehearsal-plan": "plan in a rehearsal of an emergency",
}


class IncidentReport:
    """The incident that a journal records. Also works on truncated journals."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.opened: Mapping[str, Any] = entries[0] if entries and entries[0]["kind"] == "opened" else {}
        timeline = Timeline(entries)
        self.scenarios, self.resumed, self.closed = timeline.scenarios, timeline.resumed, timeline.closed
        self.facts = _of_newest_run(entries)
        emergency = "emergency" in str(self.opened.get("type", ""))
        #: Production as it was seen, on all hosts.
        self.production = Production(entries, self.facts, emergency=emergency)
        #: The same per host, by name. Empty if there is one host.
        self.hosts: dict[str, Production] = {}
        for host in hosts_of(entries):
            own = entries_of(entries, host)
            self.hosts[host] = Production(own, _of_newest_run(own), emergency=emergency)
        if self.hosts:
            self.facts = _of_newest_run(entries_of(entries, next(iter(self.hosts))))
            self.production = ProductionOnAll(list(self.hosts.values()))
        self.decisions = _latest_decisions(entries)
        self._entries = entries
        self.began = str(entries[0]["time"]) if entries else ""
        self.ended = str(entries[-1]["time"]) if entries else ""

    @property
    def chapters(self) -> list[tuple[str, list[Scenario]]]:
        """The scenarios in the order in which they ran, grouped by chapter.

        A chapter that ran in several parts, or in several runs, appears once per part.
        """
        stretches = groupby(self.scenarios, lambda scenario: (scenario.run, scenario.chapter))
        return [(f"{chapter}{self._again(run)}", list(scenarios)) for (run, chapter), scenarios in stretches]

    def _again(self, run: int) -> str:
        return f", resumed at {self.resumed[run - 1]['time'][11:19]}" if run else ""

    @property
    def steps(self) -> list[Step]:
        """Every step that began."""
        return [step for scenario in self.scenarios for step in scenario.steps]

    @property
    def not_configured(self) -> int:
        """The number of steps whose subject is not configured in the settings."""
        return sum(step.outcome == Outcome.NOT_CONFIGURED for step in self.steps)

    @property
    def failed(self) -> list[Step]:
        """The steps that stopped the scenarios of the newest run."""
        newest = [each for each in self.scenarios if each.run == len(self.resumed) and each.outcome != Outcome.PASSED]
        # A scenario stops at its last step; a step before it was accepted by a person.
        return [step for each in newest for step in each.steps[-1:] if step.stopped]

    @property
    def headline(self) -> str:
        """How the incident ended, in words."""
        told, why = self.headline_and_why
        return f"{told}: {why}" if why else told

    @property
    def headline_and_why(self) -> tuple[str, str]:
        """The headline in two parts: how the incident ended, and why. The second may be empty."""
        outcome = self.closed.get("outcome")
        if calm := self._waits_or_has_nothing_to_do:
            return calm
        if self.failed and outcome != "passed":
            return self._what_stopped_it(self.failed[0])
        if outcome is None:
            return "Interrupted", "the run ended without closing its journal"
        if self.opened.get("mode") == "plan" and self.opened.get("type") != "validation":
            return "A plan", "nothing was changed"
        return self._what_was_reached() if outcome == "passed" else ("Ended", str(outcome))

    def _what_stopped_it(self, step: Step) -> tuple[str, str]:
        if self.held and step.outcome != Outcome.INTERRUPTED:
            return "Production is held as it is", step.detail
        if "rolled-back" in self.closed.get("reached", []) and step.outcome == Outcome.FAILED:
            forward = self.facts.strategy is Strategy.FORWARD_FIX
            return f"Rolled {'forward' if forward else 'back'}, but a step failed", step.detail
        word = {Outcome.INTERRUPTED: "Interrupted", Outcome.INCONCLUSIVE: "Inconclusive"}.get(
            Outcome(step.outcome), "Stopped"
        )
        return f"{word} at", f"{step.keyword} {step.text}"

    @property
    def _waits_or_has_nothing_to_do(self) -> tuple[str, str] | None:
        if self.closed.get("outcome") == Outcome.DECISION_NEEDED:
            options = [option for each in self.facts.undecided.values() for option in each]
            return "A plan that waits for a decision", f"{shlex.join(options)}; nothing was changed"
        if self.closed.get("outcome") == Outcome.NOTHING_TO_DO:
            return "Nothing to do", self.facts.nothing_to_do or ""
        return None

    @property
    def held(self) -> bool:
        """Whether an execution ended without any change."""
        validation = self.opened.get("type") == "validation"
        return self.opened.get("mode") == "execute" and not validation and self.closed.get("changes_made") == []

    def _what_was_reached(self) -> tuple[str, str]:
        switch, strategy, target = self.facts.switch, self.facts.strategy, self.facts.target_tag
        forward = strategy is Strategy.FORWARD_FIX
        told = {
            "abandoned": ("Abandoned", f"{target} was removed, and {self.from_to[0]} keeps running"),
            "export-mode-confirmed": ("Switched", f"{switch.variable}={switch.value}" if switch else ""),
            "rolled-back": (
                "Over",
                f"production was rolled forward to {target}" if forward else f"production runs {target} again",
            ),
            "way-back": ("Could be rolled back", f"from {self.from_to[0]} to {target}, strategy {strategy}"),
            "known-good": ("Validated", f"{self._running} is known good"),
            "restored": ("Restored", self._restored),
            "unlocked": ("The lock was removed", ""),
        }
        found = [words for name, words in told.items() if name in self.closed.get("reached", [])]
        return found[0] if found else ("Not a whole rollback", "only a part of the runbook ran")

    @property
    def _restored(self) -> str:
        fact = self.facts.restored
        return f"{fact.database} has the contents of {fact.path}; the former database is {fact.kept_as}" if fact else ""

    @property
    def tone(self) -> str:
        """The tone of the headline: `good`, `plan` or `bad`."""
        whole = _WHOLE.intersection(self.closed.get("reached", []))
        tones = {"passed": "good" if whole else "plan", **dict.fromkeys(_CALM, "plan")}
        return tones.get(str(self.closed.get("outcome")), "bad")

    @property
    def _running(self) -> str:
        return self.facts.running.tag if self.facts.running else ""

    @property
    def from_to(self) -> tuple[str, str]:
        """The tags of the release that the incident found and of the target. Empty if there is none.

        A validation takes no snapshot: it found the running release. Before a deploy, the first tag is the release to
        deploy, from which the rollback would start.
        """
        if before := self.facts.release_to_deploy:
            return before.tag, self.facts.target_tag
        found = self.facts.origin or self.facts.before
        return (", ".join(found.tags) if found else "") or self._running, self.facts.target_tag

    @property
    def way(self) -> list[tuple[str, str]]:
        """The releases, each with the word to put before it: `from` one `to` another, or `on` one."""
        found, target = self.from_to
        if target:
            return [("from", found or "an unknown release"), ("to", target)]
        return [("on", found)] if found else []

    @property
    def died(self) -> bool:
        """Whether the newest run never closed its journal: it was killed, or the end of the journal is missing."""
        return bool(self.opened) and not self.closed

    @property
    def going_on(self) -> str:
        """The command that resumes the incident. Empty for plans and unlockings."""
        following = next_command(self._entries) if self.opened.get("mode") == "execute" else None
        return following.going_on.command if following else ""

    @property
    def other_text(self) -> str:
        """The parts of the runbook whose text changed between the runs of the incident. Empty if none did."""
        found = dict.fromkeys(name for entry in self.resumed for name in entry.get("other_text", ()))
        return " and ".join(map(str, found))

    @property
    def trouble(self) -> str:
        """Why a write to the journal failed, for example a full disk. Empty if none failed."""
        return str(self.closed.get("trouble") or "")

    @property
    def vouched(self) -> list[Step]:
        """The steps that did not pass and that a person accepted with `--override`."""
        return [s for each in self.scenarios if each.outcome == Outcome.PASSED for s in each.steps if s.stopped]

    @property
    def seconds(self) -> float:
        """The seconds between the first and the last entry of the journal."""
        return seconds_between(self.began, self.ended) if self.began else 0.0

    def offset(self, step: Step) -> float:
        """Return the seconds from the beginning of the incident to the beginning of a step."""
        return seconds_between(self.began, step.began)

    @property
    def kind(self) -> str:
        """The kind of incident, in words."""
        kind = str(self.opened.get("type", "incident"))
        if kind in ("emergency", "restore") and self.opened.get("mode") == "plan":
            kind = f"{kind}-plan"
        return _KINDS.get(kind, kind)

    @property
    def rehearsed(self) -> bool:
        """Whether it was a rehearsal, on a throwaway production."""
        return "rehearsal" in str(self.opened.get("type", ""))

    @cached_property
    def measured(self) -> list[Downtime]:
        """The answers to the probes of the public address, per run."""
        return measured(self._entries)

    @property
    def without_service(self) -> float | None:
        """The measured seconds without service. None if nothing was probed."""
        return without_service(self.measured)

    @property
    def without_service_for_sure(self) -> bool:
        """Whether `without_service` is complete. If not, users were without service for at least that long."""
        return known_whole(self.measured)

    @property
    def still_down(self) -> Probed | None:
        """The last probe, if it was bad and the run closed its journal. Else None."""
        return still_down(self.measured)

    @property
    def turns_on(self) -> bool:
        """Whether the incident turns a switch on again, after an emergency."""
        asked = self.opened.get("asked_for")
        return isinstance(asked, Mapping) and bool(asked.get("enable"))

    @property
    def time_to_recover(self) -> float | None:
        """The seconds until the rollback, or the kill switch, was shown to work. None if it never was.

        Counts all runs and the time between them. None for turning a switch on again, which recovers nothing.
        """
        if self.turns_on:
            return None
        for entry in self._entries:
            passed = entry["kind"] == "scenario ended" and entry["outcome"] == Outcome.PASSED
            if passed and _RECOVERED & set(entry.get("provides", ())):
                return seconds_between(self.began, entry["time"])
        return None


def _of_newest_run(entries: Sequence[Entry]) -> Facts:
    """Return the facts of all runs, but `after` and `running` only of the newest run."""
    facts, newest = Facts.of(entries), Facts.of(newest_run(entries), ("after", "running"))
    facts.after, facts.running = newest.after, newest.running
    return facts


def _latest_decisions(entries: Sequence[Entry]) -> list[Entry]:
    return list(
        {(entry["question"], entry.get("about")): entry for entry in entries if entry["kind"] == "decision"}.values()
    )
