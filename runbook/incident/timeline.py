"""The timeline that a journal tells: chapters, scenarios and sentences, run by run, with what was done under each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    #: Which run of the incident it belongs to; 0 is the first one.
    run: int
    outcome: str = Outcome.INTERRUPTED
    reason: str = ""
    sentences: list[Sentence] = field(default_factory=list)


class Timeline:
    """The scenarios of an incident in the order in which they ran; works on journals that break off as well."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.scenarios: list[Scenario] = []
        #: The runs that went on with the incident, after the first.
        self.resumed: list[Entry] = []
        #: How the newest run of the incident was closed; empty when it was not.
        self.closed: Mapping[str, Any] = {}
        self._open: Sentence | None = None
        for entry in entries:
            self._tell(entry)

    def _tell(self, entry: Entry) -> None:
        tellers = {
            "scenario left out": self._left_out,
            "scenario began": self._began,
            "scenario ended": self._ended,
            "sentence began": self._sentence_began,
            "sentence ended": self._sentence_ended,
            "resumed": self._resumed,
            "closed": self._closed,
        }
        kind = entry["kind"]
        if kind in tellers:
            tellers[kind](entry)
        elif kind in _DETAILS and self._open is not None:
            self._open.details.append(entry)

    def _left_out(self, entry: Entry) -> None:
        reason = entry["reason"]
        self.scenarios.append(
            Scenario(entry["feature"], entry["scenario"], len(self.resumed), Outcome.NOT_APPLICABLE, reason)
        )

    def _began(self, entry: Entry) -> None:
        self.scenarios.append(Scenario(entry["feature"], entry["scenario"], len(self.resumed)))

    def _ended(self, entry: Entry) -> None:
        for scenario in self.scenarios[-1:]:
            scenario.outcome = entry["outcome"]

    def _sentence_began(self, entry: Entry) -> None:
        self._open = Sentence(entry["keyword"], entry["text"], entry["place"], entry["time"])
        for scenario in self.scenarios[-1:]:
            scenario.sentences.append(self._open)

    def _sentence_ended(self, entry: Entry) -> None:
        if self._open is not None:
            self._open.outcome, self._open.detail = entry["outcome"], entry["detail"]
            self._open.seconds = entry["seconds"]
            self._open = None

    def _resumed(self, entry: Entry) -> None:
        # A sentence that a run died under stays interrupted; what comes now is not about it.
        self.resumed.append(entry)
        self.closed = {}
        self._open = None

    def _closed(self, entry: Entry) -> None:
        self.closed = entry


def _asked(entry: Entry) -> str | None:
    if entry["kind"] == "command":
        return f"{entry['command']}"
    return f"{entry['method']} {entry['url']}" if entry["kind"] == "exchange" else None
