"""The timeline of a journal: chapters, scenarios and steps, per run, with everything done in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook.actions import Outcome, Scope, same_change
from runbook.clock import seconds_between
from runbook.errors import with_next_step
from runbook.journal.journal import Entry
from runbook.text import times

_DETAILS = ("command", "engine request", "file look", "exchange", "check", "action")
#: A request that was repeated more often within one step is shown once.
_MOST_REPEATED = 3


@dataclass
class Step:
    """One step: its text, its outcome, and everything that was run and seen in it."""

    keyword: str
    text: str
    place: str
    began: str
    outcome: str = Outcome.INTERRUPTED
    detail: str = "the run ended while this step was open"
    #: What to do next, if the step stopped and that is known.
    next_step: str = ""
    seconds: float | None = None
    details: list[Entry] = field(default_factory=list)
    #: The number of its first journal entry.
    seq: int = 0

    @property
    def changes(self) -> list[Entry]:
        """The step's changes, in their last state."""
        last: dict[Any, Entry] = {}
        for entry in self.details:
            if entry["kind"] == "action":
                last[entry.get("on"), same_change(entry)] = entry
        return list(last.values())

    @property
    def told(self) -> str:
        """What was seen or done, or why it stopped and the next step, in words."""
        return with_next_step(self.detail, self.next_step)

    @property
    def stopped(self) -> bool:
        """Whether the incident stopped here, or would have without an override."""
        return self.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.INTERRUPTED)

    @property
    def shown(self) -> list[tuple[Entry, str]]:
        """The step's details. A repeated request appears once, as answered last, with a summary of all answers."""
        asked: dict[str, list[Entry]] = {}
        for number, entry in enumerate(self.details):
            asked.setdefault(f"{entry.get('on', '')} {_asked(entry) or number}", []).append(entry)
        folded = {id(entries[-1]): entries for entries in asked.values() if len(entries) > _MOST_REPEATED}
        hidden = {id(entry) for entries in folded.values() for entry in entries[:-1]}
        return [
            (entry, _answers(folded[id(entry)]) if id(entry) in folded else "")
            for entry in self.details
            if id(entry) not in hidden
        ]

    @property
    def changed_production(self) -> bool:
        """Whether it began to change production."""
        return bool(self._states_on_production)

    @property
    def change_in_words(self) -> str:
        """How far its changes to production came, in words. Empty if none began."""
        if "begun" in self._states_on_production:
            return "begun, not finished"
        return "changed" if self.changed_production else ""

    @property
    def _states_on_production(self) -> set[str]:
        own = (entry for entry in self.changes if entry.get("scope", Scope.PRODUCTION) == Scope.PRODUCTION)
        return {entry["state"] for entry in own} & {"begun", "done"}


@dataclass
class Scenario:
    """One scenario: its steps, or why it was left out."""

    chapter: str
    name: str
    #: The number of the run in the incident; 0 is the first.
    run: int
    outcome: str = Outcome.INTERRUPTED
    reason: str = ""
    steps: list[Step] = field(default_factory=list)


class Timeline:
    """The scenarios of an incident in the order in which they ran. Also works on truncated journals."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.scenarios: list[Scenario] = []
        #: The `resumed` entries, one per run after the first.
        self.resumed: list[Entry] = []
        #: The `closed` entry of the newest run. Empty if it was not closed.
        self.closed: Mapping[str, Any] = {}
        self._open: Step | None = None
        for entry in entries:
            self._tell(entry)

    def _tell(self, entry: Entry) -> None:
        match entry["kind"]:
            case "scenario left out":
                about = entry["feature"], entry["scenario"], len(self.resumed)
                self.scenarios.append(Scenario(*about, Outcome.NOT_APPLICABLE, entry["reason"]))
            case "scenario began":
                self.scenarios.append(Scenario(entry["feature"], entry["scenario"], len(self.resumed)))
            case "scenario ended" if self.scenarios:
                self.scenarios[-1].outcome = entry["outcome"]
            case "step began":
                self._open = Step(entry["keyword"], entry["text"], entry["place"], entry["time"])
                self._open.seq = entry.get("seq", 0)
                if self.scenarios:
                    self.scenarios[-1].steps.append(self._open)
            case "step ended" if self._open is not None:
                self._open.outcome, self._open.detail = entry["outcome"], entry["detail"]
                self._open.next_step = entry.get("next_step", "")
                self._open.seconds = entry["seconds"]
                self._open = None
            case "resumed":
                # The step during which the run died stays interrupted.
                self.resumed.append(entry)
                self.closed, self._open = {}, None
            case "closed":
                self.closed = entry
            case kind if kind in _DETAILS and self._open is not None:
                self._open.details.append(entry)


def _asked(entry: Entry) -> str | None:
    if entry["kind"] == "command":
        return f"{entry['command']}"
    if entry["kind"] == "engine request":
        return f"{entry['method']} {entry['path']}"
    if entry["kind"] == "file look":
        return " ".join((entry["asked"], *entry["paths"]))
    return f"{entry['method']} {entry['url']}" if entry["kind"] == "exchange" else None


def _answers(entries: Sequence[Entry]) -> str:
    """Repeated requests within one step: their number, their time span, and each answer with its count."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[_answer(entry)] = counts.get(_answer(entry), 0) + 1
    seconds = seconds_between(entries[0]["time"], entries[-1]["time"])
    told = ", ".join(f"{answer} ({times(count)})" for answer, count in counts.items())
    return f"asked {times(len(entries))} in {seconds:.1f} s: {told}"


def _answer(entry: Entry) -> str:
    if "error" in entry or "stopped" in entry:
        return "no answer"
    if entry["kind"] == "file look":
        return "seen"
    return f"exit code {entry['exit_code']}" if entry["kind"] == "command" else f"HTTP {entry['status']}"
