"""Production as an incident saw it: before and after, who was kept out for how long, and what is not known of it."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from runbook.actions import ActionName, Scope
from runbook.clock import seconds_between
from runbook.errors import why_unknown
from runbook.journal.journal import Entry
from runbook.production.gate_state import is_closed
from runbook.report.state_diff import Row, compared

#: The facts that are production at one moment.
LOOKS = ("before", "found again", "after")
_PAUSED, _RESUMED = ActionName.PAUSE_TRAFFIC, ActionName.RESUME_TRAFFIC
#: What these changes make of the gate.
_TURNED: Mapping[Any, str] = {_PAUSED: "closed", _RESUMED: "open"}


class Production:
    """What a journal's entries, and the facts that they leave, tell of production."""

    def __init__(self, entries: Sequence[Entry], facts: Mapping[str, Any], *, emergency: bool) -> None:
        self._facts = facts
        self._emergency = emergency
        self._changes = [entry for entry in entries if entry["kind"] == "action"]
        self._gate = gate(entries)
        self._changed_since = _changed_since_last_look(entries)

    @property
    def looked_after(self) -> bool:
        """Tell whether the newest run looked at production once more after its changes."""
        return _seen(self._facts.get("after"))

    @property
    def seen_twice(self) -> bool:
        """Tell whether production was looked at before the changes and after them."""
        return self.looked_after and _seen(self._facts.get("before"))

    @property
    def title(self) -> str:
        """What `before_and_after` shows, in words."""
        if self.seen_twice:
            return "Before and after"
        return f"Production as it was {'left' if self.looked_after else 'found'}"

    @property
    def before_and_after(self) -> list[Row]:
        """What changed, and what must not have, side by side; production at that one moment where it was seen once."""
        looks = [self._facts[name] for name in ("before", "after") if _seen(self._facts.get(name))]
        return compared(looks[0], looks[1] if len(looks) > 1 else None, self._must_stay) if looks else []

    @property
    def by_group(self) -> list[tuple[str, list[Row]]]:
        """The same, by what the lines are about."""
        return [(group, list(rows)) for group, rows in groupby(self.before_and_after, key=lambda row: row.group)]

    @property
    def _must_stay(self) -> tuple[str, ...]:
        if self._emergency:
            return "release", "schema", "other containers"
        return ("other containers", "switches", *(("schema",) if self._facts.get("strategy") == "image-only" else ()))

    @property
    def gate_closed_seconds(self) -> float | None:
        """For how long users were kept out, over all runs; None if they never were, or if no end is on record.

        Each time it is from when pausing began to when traffic was resumed, or was found so.
        """
        began, seconds = None, None
        for entry in self._changes:
            told = entry.get("action"), entry["state"]
            if told == (_PAUSED, "begun"):
                began = began or entry["time"]
            elif told in ((_RESUMED, "done"), (_RESUMED, "already so")) and began:
                seconds = (seconds or 0.0) + seconds_between(began, entry["time"])
                began = None
        return None if began else seconds

    @property
    def users_kept_out(self) -> bool:
        """Tell whether the gate is closed, as far as this journal knows."""
        return self._gate == "closed"

    @property
    def left_unknown(self) -> bool:
        """Tell whether something was changed and nobody looked at production afterwards."""
        return not self.looked_after and bool(self._changed_since)

    @property
    def log_errors(self) -> dict[str, Mapping[str, int]]:
        """The errors in recent logs, by signature, before and after."""
        found = {}
        for when in ("before", "after"):
            snapshot = self._facts.get(when)
            errors = snapshot["log_errors"] if isinstance(snapshot, Mapping) and _seen(snapshot) else {}
            if errors and _seen(errors):
                found[when] = errors
        return found


def gate(entries: Sequence[Entry]) -> str:
    """The traffic gate as it was last seen, or as a change since then has left it or was about to; empty if unknown.

    A gate that says closed while the public address lets users in is not known to be closed.
    """
    found = ""
    for entry in entries:
        if _is_look(entry):
            gate_said = entry["value"].get("gate", "")
            found = "" if why_unknown(gate_said) else str(gate_said)
            if found == "closed" and not is_closed(entry["value"]):
                found = ""
        elif entry["kind"] == "action" and entry["state"] in ("begun", "done"):
            found = _TURNED.get(entry.get("action"), found)
    return found


def closing_of(entries: Sequence[Entry]) -> str:
    """When this incident closed the gate, or began to (UTC), if it did and did not open it again; else empty."""
    since = ""
    for entry in entries:
        if entry["kind"] == "action" and entry["state"] in ("begun", "done", "already so"):
            if entry.get("action") == _RESUMED:
                since = ""
            elif entry.get("action") == _PAUSED and entry["state"] != "already so":
                since = since or str(entry["time"])
    return since


def _seen(value: Any) -> bool:
    """Tell whether this was looked at, and is what a look gives."""
    return isinstance(value, Mapping) and why_unknown(value) is None


def _is_look(entry: Entry) -> bool:
    return entry["kind"] == "fact" and entry["name"] in LOOKS and _seen(entry["value"])


def _changed_since_last_look(entries: Sequence[Entry]) -> list[Entry]:
    """What was changed on production since it was last looked at, in whichever run."""
    changes: list[Entry] = []
    for entry in entries:
        if _is_look(entry):
            changes = []
        elif entry["kind"] == "action" and entry["state"] in ("begun", "done"):
            changes += [entry] if entry.get("scope", Scope.PRODUCTION) == Scope.PRODUCTION else []
    return changes
