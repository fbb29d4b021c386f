"""What journals of earlier states of the format leave out, put in as it was meant: all others read today's form."""

from collections.abc import Mapping
from typing import Any

from runbook.journal.hash_chain import Entry

_REACHED = {kind: ["known-good", "rolled-back"] for kind in ("rollback", "rehearsal")}
#: What later versions write, and what it means that it is not there.
_LEFT_OUT: Mapping[str, Mapping[str, Any]] = {
    "opened": {"lock": None},
    "scenario ended": {"provides": []},
    "sentence began": {"id": ""},
    "command began": {"directory": None, "boot": "", "if_stopped": []},
    "change": {"reach": "production"},
}


def completed(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries in today's form; what is in it already comes back as it is."""
    opened = entries[0] if entries else {}
    return tuple(_completed(entry, opened) for entry in entries)


def _completed(entry: Entry, opened: Entry) -> Entry:
    left_out = {name: told for name, told in _LEFT_OUT.get(entry["kind"], {}).items() if name not in entry}
    if entry["kind"] == "opened" and not isinstance(entry.get("asked_for", {}), Mapping):
        # At first it was the target's tag alone, or null.
        left_out["asked_for"] = {"target": entry["asked_for"]}
    if entry["kind"] == "closed" and "reached" not in entry:
        left_out["reached"] = _reached(entry, opened)
    return entry | left_out if left_out else entry


def _reached(closed: Entry, opened: Entry) -> list[str]:
    """What a run of the first versions reached: a part of the runbook could not be selected then."""
    executed = _REACHED.get(str(opened.get("type")), []) if opened.get("mode") == "execute" else []
    validated = ["known-good"] if opened.get("type") == "validation" else []
    return [*executed, *validated] if closed.get("outcome") == "passed" else []
