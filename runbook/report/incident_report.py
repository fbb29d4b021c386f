"""What a journal tells, put in the order in which people ask: the incident as the record's templates need it."""

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
from runbook.report.downtime import Downtime, Probed, known_whole, measured, still_out, without_service
from runbook.report.next_command import next_command
from runbook.report.production_view import Production, ProductionOnAll
from runbook.report.timeline import Scenario, Step, Timeline

#: The names under which scenarios say that users have a production again that works.
_RECOVERED = {"rolled-back", "export-mode-confirmed"}
#: The names under which scenarios say that all of what was asked for was reached.
_WHOLE = {*_RECOVERED, "known-good", "way-back", "restored", "unlocked"}
#: The outcomes of runs behind which nothing has to be mended.
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
    """The incident that a journal tells about; works on journals that break off as well."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.opened: Mapping[str, Any] = entries[0] if entries and entries[0]["kind"] == "opened" else {}
        timeline = Timeline(entries)
        self.scenarios, self.resumed, self.closed = timeline.scenarios, timeline.resumed, timeline.closed
        self.facts = _of_newest_run(entries)
        emergency = "emergency" in str(self.opened.get("type", ""))
        #: Production as it was seen; on all hosts, where there are several.
        self.production = Production(entries, self.facts, emergency=emergency)
        #: The same on each of several hosts, by its name.
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
        """The scenarios in the order in which they ran, under the chapter of each stretch.

        A chapter has as many stretches as others came between, and a run that went on has its own.
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
        """How many steps had nothing to do, since the settings leave out what they are about."""
        return sum(step.outcome == Outcome.NOT_CONFIGURED for step in self.steps)

    @property
    def failed(self) -> list[Step]:
        """The steps of the newest run that did not pass, and were not merely planned."""
        newest = [each for each in self.scenarios if each.run == len(self.resumed) and each.outcome != Outcome.PASSED]
        # Behind one that a person accepted others follow; a scenario stops at its last.
        return [step for each in newest for step in each.steps[-1:] if step.stopped]

    @property
    def headline(self) -> str:
        """How it ended, in words."""
        told, why = self.headline_and_why
        return f"{told}: {why}" if why else told

    @property
    def headline_and_why(self) -> tuple[str, str]:
        """The same, and apart from it why; empty where that is not said."""
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
            return "Not as it was to be", step.detail
        word = {Outcome.INTERRUPTED: "Interrupted", Outcome.INCONCLUSIVE: "Stopped, not known"}.get(
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
        """Tell whether a run that might have changed production stopped before it changed anything."""
        validation = self.opened.get("type") == "validation"
        return self.opened.get("mode") == "execute" and not validation and self.closed.get("changes_made") == []

    def _what_was_reached(self) -> tuple[str, str]:
        switch, strategy, target = self.facts.switch, self.facts.strategy, self.facts.target_tag
        forward = strategy is Strategy.FORWARD_FIX
        told = {
            "abandoned": ("Abandoned", f"nothing of {target} is left, and {self.from_to[0]} goes on"),
            "export-mode-confirmed": ("Switched", f"{switch.variable}={switch.value}" if switch else ""),
            "rolled-back": (
                "Over",
                f"production was rolled forward to {target}" if forward else f"production runs {target} again",
            ),
            "way-back": ("Could be rolled back", f"from {self.from_to[0]} to {target}, strategy {strategy}"),
            "known-good": ("Validated", f"{self._running} is known good"),
            "restored": ("Restored", self._restored),
            "unlocked": ("The lock was taken away", ""),
        }
        found = [words for name, words in told.items() if name in self.closed.get("reached", [])]
        return found[0] if found else ("Not a whole rollback", "only a part of the runbook was run")

    @property
    def _restored(self) -> str:
        fact = self.facts.restored
        return f"{fact.database} is what {fact.path} held; before it is {fact.kept_as}" if fact else ""

    @property
    def tone(self) -> str:
        """`good`, `plan` or `bad`: how the headline is coloured."""
        whole = _WHOLE.intersection(self.closed.get("reached", []))
        tones = {"passed": "good" if whole else "plan", **dict.fromkeys(_CALM, "plan")}
        return tones.get(str(self.closed.get("outcome")), "bad")

    @property
    def _running(self) -> str:
        return self.facts.running.tag if self.facts.running else ""

    @property
    def from_to(self) -> tuple[str, str]:
        """The tag of the release that it found and the target's; empty where there is none.

        A validation, which writes down no production, found the one that it looked at; before a deploy the question
        is whether one could come back from the release to deploy.
        """
        if before := self.facts.release_to_deploy:
            return before.tag, self.facts.target_tag
        found = self.facts.origin or self.facts.before
        return (", ".join(found.tags) if found else "") or self._running, self.facts.target_tag

    @property
    def way(self) -> list[tuple[str, str]]:
        """The releases that it is about, each with the word before it: from one to another, or on one."""
        found, target = self.from_to
        if target:
            return [("from", found or "an unknown release"), ("to", target)]
        return [("on", found)] if found else []

    @property
    def died(self) -> bool:
        """Tell whether the newest run never closed its journal: it was killed, or the end of the journal is missing."""
        return bool(self.opened) and not self.closed

    @property
    def going_on(self) -> str:
        """What to type to go on with it; empty for what changes nothing, and for an unlocking."""
        following = next_command(self._entries) if self.opened.get("mode") == "execute" else None
        return following.going_on.command if following else ""

    @property
    def other_text(self) -> str:
        """What of the runbook a later run had in another text than the run before it; empty if it stayed the same."""
        found = dict.fromkeys(name for entry in self.resumed for name in entry.get("other_text", ()))
        return " and ".join(map(str, found))

    @property
    def trouble(self) -> str:
        """Why the journal could not be written at some moment, a full disk say; empty if it always could."""
        return str(self.closed.get("trouble") or "")

    @property
    def vouched(self) -> list[Step]:
        """The steps that could not be checked, and that a person vouched for."""
        return [s for each in self.scenarios if each.outcome == Outcome.PASSED for s in each.steps if s.stopped]

    @property
    def seconds(self) -> float:
        """How long the run took, by the journal's own times."""
        return seconds_between(self.began, self.ended) if self.began else 0.0

    def offset(self, step: Step) -> float:
        """How many seconds after the incident's beginning a step began."""
        return seconds_between(self.began, step.began)

    @property
    def kind(self) -> str:
        """What kind of incident it is, in words."""
        kind = str(self.opened.get("type", "incident"))
        if kind in ("emergency", "restore") and self.opened.get("mode") == "plan":
            kind = f"{kind}-plan"
        return _KINDS.get(kind, kind)

    @property
    def rehearsed(self) -> bool:
        """Tell whether it was practice, on a throwaway production."""
        return "rehearsal" in str(self.opened.get("type", ""))

    @cached_property
    def measured(self) -> list[Downtime]:
        """What the probes of the public address were answered, run by run."""
        return measured(self._entries)

    @property
    def without_service(self) -> float | None:
        """For how many seconds users were without service, as measured; None when nothing was probed."""
        return without_service(self.measured)

    @property
    def without_service_for_sure(self) -> bool:
        """Tell whether that is all of it; where it is not, users were without service for at least so long."""
        return known_whole(self.measured)

    @property
    def still_out(self) -> Probed | None:
        """The last probe, if users were not served by it when the run ended; not of a run that died."""
        return still_out(self.measured)

    @property
    def turns_on(self) -> bool:
        """Tell whether it turns a switch on again, after an emergency."""
        asked = self.opened.get("asked_for")
        return isinstance(asked, Mapping) and bool(asked.get("enable"))

    @property
    def time_to_recover(self) -> float | None:
        """The seconds until the rollback, or the kill switch, was seen to work; None if it never was.

        Over all its runs, the time between them included. Who turns a switch on again has nothing to recover.
        """
        if self.turns_on:
            return None
        for entry in self._entries:
            passed = entry["kind"] == "scenario ended" and entry["outcome"] == Outcome.PASSED
            if passed and _RECOVERED & set(entry.get("provides", ())):
                return seconds_between(self.began, entry["time"])
        return None


def _of_newest_run(entries: Sequence[Entry]) -> Facts:
    """The facts; those that each run finds for itself from the newest run alone."""
    facts, newest = Facts.of(entries), Facts.of(newest_run(entries), ("after", "running"))
    facts.after, facts.running = newest.after, newest.running
    return facts


def _latest_decisions(entries: Sequence[Entry]) -> list[Entry]:
    return list(
        {(entry["question"], entry.get("about")): entry for entry in entries if entry["kind"] == "decision"}.values()
    )
