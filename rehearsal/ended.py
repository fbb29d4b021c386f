"""The check that a rehearsal ended as its incident must, from the journal of its run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehearsal.incidents.catalogue import End, Incident


def entries_of(journal: Path) -> list[dict[str, Any]]:
    """Return the entries of a journal, or an empty list without one."""
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()] if journal.is_file() else []


def otherwise(incident: Incident, entries: Sequence[Mapping[str, Any]]) -> str:
    """Return how a run's ending differs from the one its incident must have, in words; empty if it does not."""
    closed = entries[-1] if entries and entries[-1]["kind"] == "closed" else {}
    outcome, reached = closed.get("outcome", "not closed"), closed.get("reached", ())
    must = f"{incident.name} must end {incident.expected}"
    if incident.expected in (End.HELD, End.STOPPED):
        at, changed = _stopped_at(entries), closed.get("changes_made") != []
        if changed is not (incident.expected is End.STOPPED):
            return f"{must}, but production was {'' if changed else 'not '}changed"
        if outcome != "failed" or incident.held_at not in at:
            return f"{must}, at “{incident.held_at}”, but ended {outcome}, at “{at}”"
        return ""
    strategy = next((entry["value"] for entry in reversed(entries) if entry.get("name") == "strategy"), "")
    strategies = {End.FIXED_FORWARD: ("forward-fix",), End.ROLLED_BACK: ("image-only", "bridge", "downgrade")}
    name = "export-mode-confirmed" if incident.expected is End.SWITCHED_OFF else "rolled-back"
    if outcome != "passed" or name not in reached:
        return f"{must}, but ended {outcome}"
    if strategy not in strategies.get(incident.expected, (strategy,)):
        return f"{must}, but its strategy was {strategy}"
    return ""


def _stopped_at(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the first step that failed, or an empty string."""
    text = ""
    for entry in entries:
        if entry["kind"] == "step began":
            text = entry["text"]
        elif entry["kind"] == "step ended" and entry["outcome"] == "failed":
            return text
    return ""
