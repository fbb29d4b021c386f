"""An incident step by step, in short: the form in which a plan is kept in its execution's journal.

It covers all runs of the incident: a change that one run made and the next found already done counts as done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from runbook.actions import message_told
from runbook.errors import with_next_step
from runbook.journal.journal import Entry

#: The most characters kept of the reason why a step stopped.
_LONGEST_DETAIL = 2000
_WORDS = ("scenario", "id", "keyword", "text", "outcome", "detail", "next_step")
#: The outcomes that a person can override.
_ACCEPTED = ("inconclusive", "failed")
#: The outcomes of a step after which its scenario continues.
_WENT_ON = ("passed", "planned", "not configured")


@dataclass
class ShortChange:
    """One change, with its commands, its message, and the evidence that it was already done.

    All members are those of the journal's `action` entries.
    """

    action: str
    summary: str
    scope: str
    state: str
    commands: list[str] = field(default_factory=list)
    message: Mapping[str, str] | None = None
    evidence: str = ""

    @property
    def told(self) -> list[str]:
        """Its commands, and its message in readable form."""
        return [*self.commands, *([message_told(self.action, self.message)] if self.message else [])]

    def then(self, later: "ShortChange") -> "ShortChange":
        """Return the change after a later run of the incident reached it."""
        if later.state == "already so" and self.state in ("begun", "done"):
            # The earlier run began it; it finished, perhaps after that run had died.
            return replace(self, state="done", evidence=later.evidence)
        return later


@dataclass
class StepDigest:
    """One step: its place, its text, its last outcome, why it stopped (if it did), and its changes.

    A step that failed or was inconclusive, and that a person accepted, has no `detail`.
    """

    scenario: str
    id: str
    keyword: str
    text: str
    outcome: str = "interrupted"
    detail: str = ""
    next_step: str = ""
    changes: list[ShortChange] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        """Whether the run, or at least the scenario, stopped here."""
        accepted = self.outcome in _ACCEPTED and not self.detail
        return self.outcome not in _WENT_ON and not accepted

    @property
    def why(self) -> str:
        """The reason why it stopped, and the next step, in words."""
        return with_next_step(self.detail, self.next_step)

    @classmethod
    def from_journal(cls, found: Mapping[str, Any]) -> "StepDigest":
        """Return the object from the form of `as_kept`. Missing members are empty."""
        words = {name: str(found.get(name, "")) for name in _WORDS}
        changes = [ShortChange(**_only_known(change)) for change in found.get("changes", [])]
        return cls(**words, changes=changes)

    def as_kept(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return asdict(self)


def step_digests(entries: Sequence[Entry]) -> list[StepDigest]:
    """Return every step that began, in the order of its first beginning."""
    found: dict[tuple[str, str, int], StepDigest] = {}
    of_scenario: dict[str, dict[int, StepDigest]] = {}
    counts: dict[str, int] = {}
    now: StepDigest | None = None
    changes: list[ShortChange] = []
    for entry in entries:
        kind = entry["kind"]
        if kind in ("scenario began", "resumed"):
            counts, now = {}, None
        elif kind == "step began":
            words = f"{entry['keyword']} {entry['text']}"
            counts[words] = counts.get(words, 0) + 1
            fresh = StepDigest(entry["scenario"], entry.get("id", ""), entry["keyword"], entry["text"])
            now = found.setdefault((entry["scenario"], words, counts[words]), fresh)
            of_scenario.setdefault(entry["scenario"], {})[id(now)] = now
            now.outcome, now.detail, now.next_step, changes = "interrupted", "", "", []
        elif kind == "action" and now is not None:
            _changed(now, changes, entry)
        elif kind == "step ended" and now is not None:
            stopped = entry["outcome"] not in _WENT_ON
            now.outcome, now.detail = entry["outcome"], entry["detail"][:_LONGEST_DETAIL] if stopped else ""
            now.next_step = entry.get("next_step", "") if stopped else ""
            now = None
        elif kind == "scenario ended" and entry["outcome"] in ("passed", "planned"):
            _went_on(list(of_scenario.get(entry["scenario"], {}).values()))
    return list(found.values())


def _changed(step: StepDigest, of_this_run: list[ShortChange], entry: Entry) -> None:
    """Add what a run of the incident did. `of_this_run` are its changes in this step."""
    state = entry["state"]
    if state == "done" and of_this_run:
        of_this_run[-1].state = "done"
        return
    place = len(of_this_run)
    told = ShortChange(**_only_known({"scope": "production"} | entry))
    if place < len(step.changes):
        step.changes[place] = told = step.changes[place].then(told)
    else:
        step.changes.append(told)
    of_this_run.append(told)


def _went_on(steps: Sequence[StepDigest]) -> None:
    for step in steps:
        if step.outcome in _ACCEPTED:
            step.detail = step.next_step = ""


def _only_known(change: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "action": "",
        "summary": "",
        "scope": "",
        "state": "",
        "commands": [],
        "message": None,
        "evidence": "",
    }
    return {name: change.get(name, empty) for name, empty in known.items()}
