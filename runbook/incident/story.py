"""What a journal tells, put in the order in which people ask: the incident as the record's templates need it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook.incident.comparison import Row, compared
from runbook.incident.journal import Entry
from runbook.sentence import Outcome, Reach

_DETAILS = ("command", "exchange", "look", "change")
#: What was asked more often than this within one sentence is shown once.
_MOST_REPEATED = 3


@dataclass
class Sentence:
    """One sentence as it went: what it says, how it ended, and everything that was run and seen under it."""

    keyword: str
    text: str
    place: str
    began: str
    outcome: str = Outcome.INTERRUPTED
    detail: str = "the run ended while this sentence was open"
    seconds: float | None = None
    details: list[Entry] = field(default_factory=list)

    @property
    def changes(self) -> list[Entry]:
        """Its changes, in their last state."""
        last: dict[str, Entry] = {}
        for entry in self.details:
            if entry["kind"] == "change":
                last[entry["summary"]] = entry
        return list(last.values())

    @property
    def shown(self) -> list[tuple[Entry, int]]:
        """What is shown of it: each thing that was asked again and again once, as it was last, with how often."""
        counts: dict[str, int] = {}
        last: dict[str, int] = {}
        keys = [_asked(entry) or str(number) for number, entry in enumerate(self.details)]
        for number, key in enumerate(keys):
            counts[key] = counts.get(key, 0) + 1
            last[key] = number
        return [
            (entry, counts[key] if counts[key] > _MOST_REPEATED else 1)
            for number, (key, entry) in enumerate(zip(keys, self.details, strict=True))
            if counts[key] <= _MOST_REPEATED or last[key] == number
        ]

    @property
    def changed_production(self) -> bool:
        """Tell whether it really began to change what runs, or what the next start would read."""
        return any(
            e["state"] in ("begun", "done") and e.get("reach", Reach.PRODUCTION) == Reach.PRODUCTION
            for e in self.changes
        )


@dataclass
class Scenario:
    """One scenario: its sentences, or the reason why it was left out."""

    chapter: str
    name: str
    outcome: str = Outcome.INTERRUPTED
    reason: str = ""
    sentences: list[Sentence] = field(default_factory=list)


class Story:
    """The incident that a journal tells about; works on journals that break off as well."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.opened: Mapping[str, Any] = entries[0] if entries and entries[0]["kind"] == "opened" else {}
        closed = [entry for entry in entries if entry["kind"] == "closed"]
        self.closed: Mapping[str, Any] = closed[-1] if closed else {}
        self.facts = {entry["name"]: entry["value"] for entry in entries if entry["kind"] == "fact"}
        self.decisions = _latest_decisions(entries)
        self.scenarios: list[Scenario] = []
        self.began = str(entries[0]["time"]) if entries else ""
        self.ended = str(entries[-1]["time"]) if entries else ""
        for entry in entries:
            self._tell(entry)

    def _tell(self, entry: Entry) -> None:
        kind = entry["kind"]
        if kind == "scenario left out":
            left_out = Scenario(entry["feature"], entry["scenario"], Outcome.NOT_APPLICABLE, entry["reason"])
            self.scenarios.append(left_out)
        elif kind == "scenario began":
            self.scenarios.append(Scenario(entry["feature"], entry["scenario"]))
        elif kind == "scenario ended" and self.scenarios:
            self.scenarios[-1].outcome = entry["outcome"]
        elif kind == "sentence began" and self.scenarios:
            opened = Sentence(entry["keyword"], entry["text"], entry["place"], entry["time"])
            self.scenarios[-1].sentences.append(opened)
        elif (sentence := self._open_sentence()) is None:
            return
        elif kind == "sentence ended":
            sentence.outcome, sentence.detail = entry["outcome"], entry["detail"]
            sentence.seconds = entry["seconds"]
        elif kind in _DETAILS:
            sentence.details.append(entry)

    def _open_sentence(self) -> Sentence | None:
        if not self.scenarios or not self.scenarios[-1].sentences:
            return None
        newest = self.scenarios[-1].sentences[-1]
        return newest if newest.seconds is None else None

    @property
    def chapters(self) -> dict[str, list[Scenario]]:
        """The scenarios by chapter, in the order in which they ran."""
        chapters: dict[str, list[Scenario]] = {}
        for scenario in self.scenarios:
            chapters.setdefault(scenario.chapter, []).append(scenario)
        return chapters

    @property
    def sentences(self) -> list[Sentence]:
        """Every sentence that began."""
        return [sentence for scenario in self.scenarios for sentence in scenario.sentences]

    @property
    def failed(self) -> list[Sentence]:
        """The sentences that did not pass, and were not merely planned."""
        return [s for s in self.sentences if s.outcome not in (Outcome.PASSED, Outcome.PLANNED)]

    @property
    def headline(self) -> str:
        """How it ended, in words."""
        outcome = self.closed.get("outcome")
        if self.failed and outcome != "passed":
            sentence = self.failed[0]
            if self.held and sentence.outcome != Outcome.INTERRUPTED:
                return f"Production is held as it is: {sentence.detail.partition(' → ')[0]}"
            word = {Outcome.INTERRUPTED: "Interrupted", Outcome.INCONCLUSIVE: "Stopped, not known"}.get(
                Outcome(sentence.outcome), "Stopped"
            )
            return f"{word} at: {sentence.keyword} {sentence.text}"
        if outcome is None:
            return "Interrupted: the run ended without closing its journal"
        if self.opened.get("mode") == "plan" and self.opened.get("type") != "validation":
            return "A plan: nothing was changed"
        return self._what_was_reached() if outcome == "passed" else f"Ended: {outcome}"

    @property
    def held(self) -> bool:
        """Tell whether a run that might have changed production stopped before it changed anything."""
        validation = self.opened.get("type") == "validation"
        return self.opened.get("mode") == "execute" and not validation and self.closed.get("changes_made") == []

    def _what_was_reached(self) -> str:
        reached = self.closed.get("reached", [])
        if "switch-felt" in reached:
            switch = self.facts.get("switch", {})
            return f"Switched: {switch.get('variable')}={switch.get('value')}"
        if "rolled-back" in reached and self.facts.get("way") == "forward-fix":
            return f"Over: production went forward to {self._tag('target')}"
        if "rolled-back" in reached:
            return f"Over: production runs {self._tag('target')} again"
        if "known-good" in reached:
            return f"Validated: {self._tag('running')} is known good"
        return "Not a whole rollback: only a part of the runbook was run"

    @property
    def tone(self) -> str:
        """`good`, `plan` or `bad`: how the headline is coloured."""
        whole = {"rolled-back", "known-good", "switch-felt"} & set(self.closed.get("reached", []))
        tones = {"passed": "good" if whole else "plan", "planned": "plan"}
        return tones.get(str(self.closed.get("outcome")), "bad")

    def _tag(self, fact: str) -> str:
        return str(self.facts.get(fact, {}).get("tag", ""))

    @property
    def from_to(self) -> tuple[str, str]:
        """The failed release's tag and the target's; empty where there is none."""
        failed = self.facts.get("origin", self.facts.get("before", {}))
        return ", ".join(failed.get("tags", [])), self._tag("target")

    @property
    def seconds(self) -> float:
        """How long the run took, by the journal's own times."""
        return seconds_between(self.began, self.ended) if self.began else 0.0

    @property
    def gate_closed_seconds(self) -> float | None:
        """From the first moment at which the gate may have been closed to the first at which it was open again."""
        times = {}
        for sentence in self.sentences:
            for entry in sentence.details:
                if entry["kind"] == "change" and entry["state"] in ("begun", "done"):
                    times[entry["summary"], entry["state"]] = entry["time"]
        paused = times.get(("user traffic is paused", "begun"))
        resumed = times.get(("user traffic is resumed", "done"))
        return seconds_between(paused, resumed) if paused and resumed else None

    @property
    def users_kept_out(self) -> bool:
        """Tell whether the traffic gate was closed when production was last looked at."""
        last = self.facts.get("after", self.facts.get("before"))
        return isinstance(last, Mapping) and last["gate"] == "closed"

    @property
    def left_unknown(self) -> bool:
        """Tell whether something was changed and nobody looked at production afterwards."""
        return not self.looked_after and any(sentence.changed_production for sentence in self.sentences)

    @property
    def log_errors(self) -> dict[str, Mapping[str, int]]:
        """The errors in recent logs, by signature, before and after."""
        found = {}
        for when in ("before", "after"):
            snapshot = self.facts.get(when)
            if isinstance(snapshot, Mapping) and isinstance(snapshot["log_errors"], Mapping) and snapshot["log_errors"]:
                found[when] = snapshot["log_errors"]
        return found

    @property
    def looked_after(self) -> bool:
        """Tell whether production was looked at once more after the changes."""
        return isinstance(self.facts.get("after"), Mapping)

    @property
    def before_and_after(self) -> list[Row]:
        """What a rollback changes and what it must not, side by side."""
        before, after = self.facts.get("before"), self.facts.get("after")
        if not isinstance(before, Mapping):
            return []
        return compared(before, after if isinstance(after, Mapping) else None)


def _asked(entry: Entry) -> str | None:
    if entry["kind"] == "command":
        return f"{entry['command']}"
    return f"{entry['method']} {entry['url']}" if entry["kind"] == "exchange" else None


def seconds_between(began: str, ended: str) -> float:
    """The seconds between two UTC times as the journal writes them."""
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _latest_decisions(entries: Sequence[Entry]) -> list[Entry]:
    return list({entry["question"]: entry for entry in entries if entry["kind"] == "decision"}.values())
