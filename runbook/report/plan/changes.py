"""What a plan would change, thing by thing, from the actions that it planned."""

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

#: Characters of a digest's name and its beginning, by which people tell images apart.
_DIGEST = len("sha256:") + 12
_STOPPED, _REMOVED = "stopped", "removed"


def changes_of(entries: Sequence[Entry], facts: Facts) -> tuple[Change, ...]:
    """Every thing that the planned actions change, in the order in which each is touched first."""
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
    """The things that change, by their names; `names` are those of the actions that are planned."""

    facts: Facts
    directory: PurePosixPath
    names: set[str]
    found: dict[str, Change] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Take up one action."""
        of = _OF.get(str(entry.get("action")), _Things.anything)
        for change in of(self, entry):
            self._put(change)

    def _put(self, change: Change) -> None:
        known = self.found.get(change.what)
        if known is None:
            self.found[change.what] = change
            return
        # The same thing once more: it goes on from where the first left it.
        states = change.states[1:] if known.states[-1:] == change.states[:1] else change.states
        self.found[change.what] = known.model_copy(update={"states": (*known.states, *states)})

    def env_file(self, entry: Entry) -> Iterator[Change]:
        """A variable of an env file, or of a store, and the copy that is kept of it."""
        path, variable = str(entry.get("resource", "")), entry.get("variable")
        name = self._short(path)
        # Each run keeps it under its own name.
        kept = [self._short(str(PurePosixPath(str(each["path"])).parent)) for each in entry.get("leaves", [])]
        yield Change(
            sign=Sign.CHANGED,
            what=f"{name} {variable}" if variable else name,
            states=_from_to(entry),
            copy_in=next(iter(kept), ""),
        )

    def application(self, entry: Entry) -> Iterator[Change]:
        """Each service whose digest changes, and what is recreated with it."""
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
        """Each thing of the schema that is relaxed."""
        for each in self.facts.bridge.told if self.facts.bridge else ():
            yield Change(sign=Sign.CHANGED, what=each)

    def bridge_gone(self, entry: Entry) -> Iterator[Change]:
        """The note of a bridge, and the bridge with it; nothing where none stands."""
        if entry.get("commands"):
            yield Change(sign=Sign.REMOVED, what="bridge", states=(self._short(str(entry.get("resource", ""))),))

    def nothing_by_itself(self, _entry: Entry) -> Iterator[Change]:
        """What another action has told already."""
        yield from ()

    def stopping(self, entry: Entry) -> Iterator[Change]:
        """Services that are stopped and not brought up again."""
        if ActionName.BRING_UP not in self.names:
            yield Change(sign=Sign.CHANGED, what=str(entry.get("resource", "")), states=("running", _STOPPED))

    def traffic(self, entry: Entry) -> Iterator[Change]:
        """The traffic gate; nothing where it is left alone."""
        if not entry.get("to"):
            return
        gate = self.facts.before.gate if self.facts.before else ""
        now = "" if isinstance(gate, Unknown) else gate
        states = [now] if not self.found.get("traffic") and now else []
        yield Change(sign=Sign.CHANGED, what="traffic", states=(*states, str(entry.get("to", ""))))

    def schema(self, entry: Entry) -> Iterator[Change]:
        """The database's revision."""
        now = ", ".join(self.facts.revisions or ())
        yield Change(sign=Sign.CHANGED, what="schema", states=tuple(filter(None, (now, str(entry.get("to", ""))))))

    def quarantine(self, entry: Entry) -> Iterator[Change]:
        """The failed release's digests in the quarantine."""
        target, origin = self.facts.target, self.facts.origin
        failed = {*(origin.digests if origin else {}).values()} - {*(target.digests if target else {}).values()}
        count = f" ({len(failed)} digest{'' if len(failed) == 1 else 's'})" if failed else ""
        yield Change(sign=Sign.ADDED, what="quarantine", states=(f"{entry.get('to', '')}{count}",))

    def restore_point(self, entry: Entry) -> Iterator[Change]:
        """The dump."""
        yield Change(sign=Sign.ADDED, what="restore point", states=(f"of the database {entry.get('resource', '')}",))

    def database_beside(self, entry: Entry) -> Iterator[Change]:
        """The database into which a dump is restored."""
        yield Change(
            sign=Sign.ADDED,
            what=f"database {entry.get('to', '')}",
            states=(f"from {self._short(str(entry.get('resource', '')))}",),
        )

    def databases(self, entry: Entry) -> Iterator[Change]:
        """The live database, which is kept under another name."""
        yield Change(
            sign=Sign.CHANGED,
            what=f"database {entry.get('resource', '')}",
            states=("as it is", f"kept as {entry.get('to', '')}"),
        )

    def kept_rows(self, entry: Entry) -> Iterator[Change]:
        """The rows that are kept by themselves."""
        folder = self._short(str(PurePosixPath(str(entry.get("to", ""))).parent))
        yield Change(sign=Sign.ADDED, what="rows destroyed", states=(f"kept in {folder}",))

    def note(self, entry: Entry) -> Iterator[Change]:
        """The note of the rollback on the host."""
        path, closes = self._short(str(entry.get("resource", ""))), entry.get("action") == ActionName.CLOSE_ROLLBACK
        yield Change(sign=Sign.ADDED, what="rollback note", states=(path, _REMOVED) if closes else (path,))

    def ledger(self, entry: Entry) -> Iterator[Change]:
        """A line of the ledger."""
        yield Change(sign=Sign.ADDED, what="ledger", states=(str(entry.get("to", "")),))

    def people(self, entry: Entry) -> Iterator[Change]:
        """What people read."""
        what = _TOLD[str(entry["action"])]
        yield Change(sign=Sign.ADDED, what=what, states=(self._short(str(entry.get("resource") or "")),))

    def redeploy(self, entry: Entry) -> Iterator[Change]:
        """Services that are recreated on the release that runs."""
        states = ("recreated", str(entry.get("to", "")))
        yield Change(sign=Sign.CHANGED, what=str(entry.get("resource", "")), states=tuple(filter(None, states)))

    def anything(self, entry: Entry) -> Iterator[Change]:
        """What no function here knows."""
        what = str(entry.get("resource") or entry.get("summary", ""))
        yield Change(sign=Sign.CHANGED, what=self._short(what), states=_from_to(entry))

    def _short(self, path: str) -> str:
        """A path as it is seen from the project's folder, if it lies in there."""
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
#: What of the things that change people read.
FOR_PEOPLE = tuple(_TOLD.values())
_OF: Mapping[str, Callable[[_Things, Entry], Iterator[Change]]] = {
    ActionName.SET_IMAGE_TAG: _Things.env_file,
    ActionName.SET_KILL_SWITCH: _Things.env_file,
    ActionName.BRING_UP: _Things.application,
    ActionName.STOP_APPLICATION: _Things.stopping,
    ActionName.START_BESIDE: _Things.application,
    # Starting the target has told what comes in its place.
    ActionName.TAKE_OUT_FAILED: _Things.nothing_by_itself,
    ActionName.REMOVE_FAILED: _Things.nothing_by_itself,
    ActionName.PAUSE_TRAFFIC: _Things.traffic,
    ActionName.HOLD_TRAFFIC: _Things.traffic,
    ActionName.RESUME_TRAFFIC: _Things.traffic,
    ActionName.DOWNGRADE: _Things.schema,
    ActionName.UPGRADE: _Things.schema,
    ActionName.QUARANTINE: _Things.quarantine,
    ActionName.TAKE_RESTORE_POINT: _Things.restore_point,
    # The dump inside the container, which taking the restore point has left there.
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
