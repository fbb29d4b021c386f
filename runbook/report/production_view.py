"""Production as an incident saw it: before, after, how long traffic was paused, and what is unknown."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from runbook.actions import ActionName, Scope
from runbook.clock import seconds_between
from runbook.incident.facts import Facts, Strategy
from runbook.incident.production_facts import Snapshot, Unknown
from runbook.journal.journal import Entry
from runbook.report.state_diff import Row, compared

#: The names of the facts that are snapshots of production.
LOOKS = ("before", "found again", "after")
_PAUSED, _RESUMED = ActionName.PAUSE_TRAFFIC, ActionName.RESUME_TRAFFIC
#: The state of the gate after each of these changes.
_TURNED: Mapping[Any, str] = {_PAUSED: "closed", ActionName.HOLD_TRAFFIC: "held", _RESUMED: "open"}
#: The actions after which requests are refused or wait.
_KEEPS_BACK = (_PAUSED, ActionName.HOLD_TRAFFIC)
#: The strategies that leave the schema at its revision.
_STAYS = (Strategy.IMAGE_ONLY, Strategy.BRIDGE)


class Production:
    """The view of production from a journal's entries and facts."""

    def __init__(self, entries: Sequence[Entry], facts: Facts, *, emergency: bool) -> None:
        self._facts = facts
        self._emergency = emergency
        self._changes = [entry for entry in entries if entry["kind"] == "action"]
        self._gate = gate(entries)
        self._changed_since = _changed_since_last_look(entries)

    @property
    def has_snapshot_after(self) -> bool:
        """Whether the newest run took a snapshot after its changes."""
        return isinstance(self._facts.after, Snapshot)

    @property
    def has_both_snapshots(self) -> bool:
        """Whether there are snapshots from before and after the changes."""
        return self.has_snapshot_after and self._facts.before is not None

    @property
    def title(self) -> str:
        """The title of `before_and_after`."""
        if self.has_both_snapshots:
            return "Before and after"
        return f"Production as it was {'left' if self.has_snapshot_after else 'found'}"

    @property
    def before_and_after(self) -> list[Row]:
        """What changed and what must not have changed, side by side. One column if there is one snapshot."""
        looks = [look for look in (self._facts.before, self._facts.after) if isinstance(look, Snapshot)]
        return compared(looks[0], looks[1] if len(looks) > 1 else None, self._must_stay) if looks else []

    @property
    def by_group(self) -> list[tuple[str, list[Row]]]:
        """The same rows, grouped by subject."""
        return [(group, list(rows)) for group, rows in groupby(self.before_and_after, key=lambda row: row.group)]

    @property
    def _must_stay(self) -> tuple[str, ...]:
        if self._emergency:
            return "release", "schema", "other containers"
        return ("other containers", "switches", *(("schema",) if self._facts.strategy in _STAYS else ()))

    @property
    def gate_closed_seconds(self) -> float | None:
        """The seconds for which traffic was paused or held, over all runs. None if never, or if no end is on record.

        Each time counts from the beginning of the pause until traffic was resumed, or was found flowing.
        """
        began, seconds = None, None
        for entry in self._changes:
            told = entry.get("action"), entry["state"]
            if told[0] in _KEEPS_BACK and told[1] == "begun":
                began = began or entry["time"]
            elif told in ((_RESUMED, "done"), (_RESUMED, "already so")) and began:
                seconds = (seconds or 0.0) + seconds_between(began, entry["time"])
                began = None
        return None if began else seconds

    @property
    def only_held(self) -> bool:
        """Whether the gate refused nothing: whenever traffic was paused, requests waited."""
        done = {entry.get("action") for entry in self._changes if entry["state"] == "begun"}
        return _PAUSED not in done

    @property
    def traffic_paused(self) -> bool:
        """Whether the gate is closed or holds, according to this journal."""
        return self._gate in ("closed", "held")

    @property
    def traffic_held(self) -> bool:
        """Whether requests wait, according to this journal."""
        return self._gate == "held"

    @property
    def left_unknown(self) -> bool:
        """Whether production was changed and no snapshot was taken afterwards."""
        return not self.has_snapshot_after and bool(self._changed_since)

    @property
    def log_errors(self) -> dict[str, Mapping[str, int]]:
        """The errors in recent logs, by signature, before and after."""
        found: dict[str, Mapping[str, int]] = {}
        for when, look in (("before", self._facts.before), ("after", self._facts.after)):
            if isinstance(look, Snapshot) and look.log_errors and not isinstance(look.log_errors, Unknown):
                found[when] = look.log_errors
        return found


class ProductionOnAll(Production):
    """Production on several hosts: true if true on any host; single values are those of the first."""

    def __init__(self, each: Sequence[Production]) -> None:
        self._each = each

    @property
    def has_snapshot_after(self) -> bool:
        """Whether the newest run took a snapshot of all hosts after its changes."""
        return all(each.has_snapshot_after for each in self._each)

    @property
    def has_both_snapshots(self) -> bool:
        """Whether there are snapshots of all hosts from before and after the changes."""
        return all(each.has_both_snapshots for each in self._each)

    @property
    def before_and_after(self) -> list[Row]:
        """The rows of all hosts."""
        return [row for each in self._each for row in each.before_and_after]

    @property
    def gate_closed_seconds(self) -> float | None:
        """The longest time for which traffic was paused on any host."""
        return max((seconds for each in self._each if (seconds := each.gate_closed_seconds) is not None), default=None)

    @property
    def only_held(self) -> bool:
        """Whether no gate refused anything."""
        return all(each.only_held for each in self._each)

    @property
    def traffic_paused(self) -> bool:
        """Whether any gate is closed."""
        return any(each.traffic_paused for each in self._each)

    @property
    def left_unknown(self) -> bool:
        """Whether any host was changed and has no snapshot afterwards."""
        return any(each.left_unknown for each in self._each)

    @property
    def log_errors(self) -> dict[str, Mapping[str, int]]:
        """None: each host has its own."""
        return {}


def gate(entries: Sequence[Entry]) -> str:
    """Return the state of the traffic gate: as last seen, or as a later change left it. Empty if unknown.

    A change that began counts as done. If the gate reports closed or held but the public address serves users, the
    state is unknown.
    """
    found = ""
    for entry in entries:
        if look := look_of(entry):
            found = "" if isinstance(look.gate, Unknown) else look.gate
            if found in ("closed", "held") and not look.traffic_stopped:
                found = ""
        elif entry["kind"] == "action" and entry["state"] in ("begun", "done"):
            found = _TURNED.get(entry.get("action"), found)
    return found


def closing_of(entries: Sequence[Entry]) -> str:
    """Return when this incident closed or held the gate, or began to (UTC). Empty if it was opened again."""
    since = ""
    for entry in entries:
        if entry["kind"] == "action" and entry["state"] in ("begun", "done", "already so"):
            if entry.get("action") == _RESUMED:
                since = ""
            elif entry.get("action") in _KEEPS_BACK and entry["state"] != "already so":
                since = since or str(entry["time"])
    return since


def waiting_of(entries: Sequence[Entry]) -> str:
    """Return what happens to requests while traffic is held, in words."""
    holds = [entry["longest_wait"] for entry in entries if entry["kind"] == "action" and entry.get("longest_wait")]
    long = f"{holds[-1]:g} s at most" if holds else "as long as the gateway holds it"
    return f"a request waits for {long}, and is then refused"


def look_of(entry: Entry) -> Snapshot | None:
    """Return the snapshot in a journal entry. None for other entries."""
    facts = Facts.of([entry], LOOKS)
    look = facts.before or facts.found_again or facts.after
    return look if isinstance(look, Snapshot) else None


def _changed_since_last_look(entries: Sequence[Entry]) -> list[Entry]:
    """Return the changes to production since the last snapshot, in any run."""
    changes: list[Entry] = []
    for entry in entries:
        if look_of(entry):
            changes = []
        elif entry["kind"] == "action" and entry["state"] in ("begun", "done"):
            changes += [entry] if entry.get("scope", Scope.PRODUCTION) == Scope.PRODUCTION else []
    return changes
