"""The changes of a plan, by resource, from its planned actions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from runbook.actions import ActionName
from runbook.incident.facts import Facts
from runbook.incident.production_facts import Unknown
from runbook.journal.journal import Entry
from runbook.release import digest_told
from runbook.report.plan.model import Change, Sign
from runbook.text import counted

#: Characters of a digest that are shown: its algorithm and the first 12 digits.
_DIGEST = len("sha256:") + 12
_STOPPED, _REMOVED = "stopped", "removed"


def changes_of(entries: Sequence[Entry], facts: Facts) -> tuple[Change, ...]:
    """Return every resource that the planned actions change, in the order of the first action on it."""
    planned = [entry for entry in entries if entry["kind"] == "action" and entry["state"] == "planned"]
    directory = str(entries[0].get("directory", "")) if entries else ""
    for host in entries[0].get("hosts") or () if planned else ():
        directory = str(host["directory"]) if host["name"] == planned[0].get("on") else directory
    things = _Things(facts, PurePosixPath(directory or "/"), {str(entry.get("action")) for entry in planned})
    for entry in planned:
        things.take(entry)
    return tuple(things.found.values())


@dataclass
class _Things:
    """The changed resources, by name. `names` are the names of the planned actions."""

    facts: Facts
    directory: PurePosixPath
    names: set[str]
    found: dict[str, Change] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Add one action."""
        of = _OF.get(str(entry.get("action")), _Things.anything)
        for change in of(self, entry):
            self._put(change)

    def _put(self, change: Change) -> None:
        known = self.found.get(change.what)
        if known is None:
            self.found[change.what] = change
            return
        # A second change of the same resource continues from the state after the first.
        states = change.states[1:] if known.states[-1:] == change.states[:1] else change.states
        self.found[change.what] = known.model_copy(update={"states": (*known.states, *states)})

    def env_file(self, entry: Entry) -> Iterator[Change]:
        """Add a variable of an env file or a secret store, and the copy that is kept."""
        path, variable = str(entry.get("resource", "")), entry.get("variable")
        name = self._short(path)
        # Only the folder: each run gives the copy another name.
        kept = [self._short(str(PurePosixPath(str(each["path"])).parent)) for each in entry.get("leaves", [])]
        yield Change(
            sign=Sign.CHANGED,
            what=f"{name} {variable}" if variable else name,
            states=_from_to(entry),
            copy_in=next(iter(kept), ""),
        )

    def application(self, entry: Entry) -> Iterator[Change]:
        """Add each service whose digest changes, and what is recreated with it."""
        target, origin = self.facts.target, self.facts.origin or self.facts.before
        if target is None or not target.digests:
            yield from self.anything(entry)
            return
        ran = origin.digests if origin else {}
        between = (_STOPPED,) if ActionName.STOP_APPLICATION in self.names else ()
        ours = str(entry.get("resource", "")).split(", ")
        for service, digest in target.digests.items():
            if service in ours and (ran.get(service) != digest or between):
                states = (_digest(ran.get(service, "")), *between, _digest(digest))
                yield Change(sign=Sign.CHANGED, what=service, states=tuple(filter(None, states)))
        for service in self.facts.together.recreated if self.facts.together else ():
            yield Change(sign=Sign.CHANGED, what=service, states=("recreated with the application",))

    def bridge(self, _entry: Entry) -> Iterator[Change]:
        """Add each relaxed rule of the schema."""
        for each in self.facts.bridge.told if self.facts.bridge else ():
            yield Change(sign=Sign.CHANGED, what=each)

    def bridge_gone(self, entry: Entry) -> Iterator[Change]:
        """Add the removal of a bridge and its note. Nothing without a bridge."""
        if entry.get("commands"):
            yield Change(sign=Sign.REMOVED, what="bridge", states=(self._short(str(entry.get("resource", ""))),))

    def nothing_by_itself(self, _entry: Entry) -> Iterator[Change]:
        """Add nothing: another action covers it."""
        yield from ()

    def stopping(self, entry: Entry) -> Iterator[Change]:
        """Add services that are stopped and stay stopped."""
        if ActionName.BRING_UP not in self.names:
            yield Change(sign=Sign.CHANGED, what=str(entry.get("resource", "")), states=("running", _STOPPED))

    def traffic(self, entry: Entry) -> Iterator[Change]:
        """Add the traffic gate. Nothing if it is not used."""
        if not entry.get("to"):
            return
        gate = self.facts.before.gate if self.facts.before else ""
        now = "" if isinstance(gate, Unknown) else gate
        states = [now] if not self.found.get("traffic") and now else []
        yield Change(sign=Sign.CHANGED, what="traffic", states=(*states, str(entry.get("to", ""))))

    def schema(self, entry: Entry) -> Iterator[Change]:
        """Add the database's revision."""
        now = ", ".join(self.facts.revisions or ())
        yield Change(sign=Sign.CHANGED, what="schema", states=tuple(filter(None, (now, str(entry.get("to", ""))))))

    def quarantine(self, entry: Entry) -> Iterator[Change]:
        """Add the quarantined digests of the failed release."""
        target, origin = self.facts.target, self.facts.origin
        failed = {*(origin.digests if origin else {}).values()} - {*(target.digests if target else {}).values()}
        count = f" ({counted(len(failed), 'digest')})" if failed else ""
        yield Change(sign=Sign.ADDED, what="quarantine", states=(f"{entry.get('to', '')}{count}",))

    def restore_point(self, entry: Entry) -> Iterator[Change]:
        """Add the restore point."""
        yield Change(sign=Sign.ADDED, what="restore point", states=(f"of the database {entry.get('resource', '')}",))

    def database_beside(self, entry: Entry) -> Iterator[Change]:
        """Add the database into which the dump is restored."""
        yield Change(
            sign=Sign.ADDED,
            what=f"database {entry.get('to', '')}",
            states=(f"from {self._short(str(entry.get('resource', '')))}",),
        )

    def databases(self, entry: Entry) -> Iterator[Change]:
        """Add the live database, which gets another name."""
        yield Change(
            sign=Sign.CHANGED,
            what=f"database {entry.get('resource', '')}",
            states=("live", f"kept as {entry.get('to', '')}"),
        )

    def kept_rows(self, entry: Entry) -> Iterator[Change]:
        """Add the file of saved rows."""
        folder = self._short(str(PurePosixPath(str(entry.get("to", ""))).parent))
        yield Change(sign=Sign.ADDED, what="rows destroyed", states=(f"kept in {folder}",))

    def note(self, entry: Entry) -> Iterator[Change]:
        """Add the note of the rollback on the host."""
        path, closes = self._short(str(entry.get("resource", ""))), entry.get("action") == ActionName.CLOSE_ROLLBACK
        yield Change(sign=Sign.ADDED, what="rollback note", states=(path, _REMOVED) if closes else (path,))

    def ledger(self, entry: Entry) -> Iterator[Change]:
        """Add the ledger's line."""
        yield Change(sign=Sign.ADDED, what="ledger", states=(str(entry.get("to", "")),))

    def people(self, entry: Entry) -> Iterator[Change]:
        """Add messages, tickets and the incident log."""
        what = _TOLD[str(entry["action"])]
        yield Change(sign=Sign.ADDED, what=what, states=(self._short(str(entry.get("resource") or "")),))

    def redeploy(self, entry: Entry) -> Iterator[Change]:
        """Add services that are recreated on the running release."""
        states = ("recreated", str(entry.get("to", "")))
        yield Change(sign=Sign.CHANGED, what=str(entry.get("resource", "")), states=tuple(filter(None, states)))

    def anything(self, entry: Entry) -> Iterator[Change]:
        """Add an action that has no function here."""
        what = str(entry.get("resource") or entry.get("summary", ""))
        yield Change(sign=Sign.CHANGED, what=self._short(what), states=_from_to(entry))

    def _short(self, path: str) -> str:
        """Return a path relative to the project's directory, if it is inside it."""
        found = PurePosixPath(path)
        return str(found.relative_to(self.directory)) if path and found.is_relative_to(self.directory) else path


def _from_to(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry[name]) for name in ("from", "to") if entry.get(name) is not None)


def _digest(digest: str) -> str:
    told = digest_told(digest) if digest else ""
    return told[:_DIGEST] if told.startswith("sha256:") else told


_TOLD: Mapping[str, str] = {
    ActionName.OPEN_TICKET: "ticket",
    ActionName.LOG_INCIDENT: "incident log",
    ActionName.ANNOUNCE: "announcement",
}
#: The changed resources that people read.
FOR_PEOPLE = tuple(_TOLD.values())
_OF: Mapping[str, Callable[[_Things, Entry], Iterator[Change]]] = {
    ActionName.SET_IMAGE_TAG: _Things.env_file,
    ActionName.SET_KILL_SWITCH: _Things.env_file,
    ActionName.BRING_UP: _Things.application,
    ActionName.STOP_APPLICATION: _Things.stopping,
    ActionName.START_BESIDE: _Things.application,
    # Covered by START_BESIDE.
    ActionName.TAKE_OUT_FAILED: _Things.nothing_by_itself,
    ActionName.REMOVE_FAILED: _Things.nothing_by_itself,
    ActionName.PAUSE_TRAFFIC: _Things.traffic,
    ActionName.HOLD_TRAFFIC: _Things.traffic,
    ActionName.RESUME_TRAFFIC: _Things.traffic,
    ActionName.DOWNGRADE: _Things.schema,
    ActionName.UPGRADE: _Things.schema,
    ActionName.QUARANTINE: _Things.quarantine,
    ActionName.TAKE_RESTORE_POINT: _Things.restore_point,
    # The dump inside the container, left there by TAKE_RESTORE_POINT.
    ActionName.REMOVE_DUMP: _Things.nothing_by_itself,
    ActionName.RESTORE_BESIDE: _Things.database_beside,
    ActionName.SWAP_DATABASE: _Things.databases,
    ActionName.KEEP_ROWS: _Things.kept_rows,
    ActionName.OPEN_ROLLBACK: _Things.note,
    ActionName.CLOSE_ROLLBACK: _Things.note,
    ActionName.NOTE_BRIDGE: _Things.nothing_by_itself,
    ActionName.BUILD_BRIDGE: _Things.bridge,
    ActionName.REMOVE_BRIDGE: _Things.bridge_gone,
    ActionName.ENTER_LEDGER: _Things.ledger,
    ActionName.REDEPLOY: _Things.redeploy,
    **dict.fromkeys(_TOLD, _Things.people),
}
