"""The ledger: the known-good releases, which passed their own post-deploy validation."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runbook.actions import Action, ActionName, Check, Observation, Scope
from runbook.clock import utc_now
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.release import Release
from runbook.shared_state.host_file import JsonLinesFile
from runbook.shared_state.kept_files import KeptFiles
from runbook.shared_state.release_snapshot import ReleaseSnapshot, ReleaseSnapshots
from runbook.targets.candidate import Candidate, Kind, moment_in

#: The number of newest lines whose release snapshots are kept.
_SNAPSHOTS = 20


class Ledger:
    """`.runbook/known_good.jsonl` on the production host. Reading it raises Inconclusive when a line is invalid."""

    def __init__(self, production: Production) -> None:
        self._file = JsonLinesFile(production, "known_good.jsonl")
        self._snapshots = ReleaseSnapshots(production)
        #: The copies of Compose files and env files in release snapshots.
        self.copies = KeptFiles(production)

    def candidates(self) -> list[Candidate]:
        """Return the releases on the ledger, oldest first."""
        return [_candidate(line) for line in self._file.read()]

    def validated_with(self, tag: str, schema: Sequence[str]) -> bool:
        """Tell whether the release passed its validation on a database at exactly these revisions."""
        at = sorted(schema)
        return any(line.get("tag") == tag and sorted(line.get("schema") or []) == at for line in self._file.read())

    def snapshot(self, release: Release) -> ReleaseSnapshot:
        """Return the configuration at the validation of `release`. Raises Inconclusive when it is unknown."""
        return self._snapshots.read(release.tag, self._last_line(release).get("snapshot"))

    def schema(self, release: Release) -> tuple[str, ...]:
        """Return the database revisions at the validation of `release`; empty if unknown.

        Raises Inconclusive when the ledger does not have `release`.
        """
        return tuple(map(str, self._last_line(release).get("schema") or ()))

    def snapshot_at(self, release: Release, schema: Sequence[str]) -> ReleaseSnapshot | None:
        """Return the same as `snapshot` if the database was at exactly these revisions, else None.

        Raises Inconclusive when the ledger does not have `release`, or its snapshot is unknown.
        """
        newest = self._last_line(release)
        if sorted(newest.get("schema") or []) != sorted(schema):
            return None
        return self._snapshots.read(release.tag, newest.get("snapshot"))

    def _last_line(self, release: Release) -> dict[str, Any]:
        same = (line for line in reversed(self._file.read()) if line.get("tag") == release.tag)
        newest: dict[str, Any] | None = next((line for line in same if line.get("digests") == release.digests), None)
        if newest is None:
            raise Inconclusive(
                f"{self._file.path} has no line for {release.tag} with these digests",
                "name a validated release: --to TAG",
            )
        return newest

    def add(  # noqa: PLR0913 - each is a part of the entry
        self,
        release: Release,
        incident: str,
        schema: Sequence[str] | None,
        vouched: Mapping[str, Any],
        snapshot: ReleaseSnapshot | str,
        *,
        copies: Collection[bytes] = (),
        needed: Collection[str] = (),
        bridge: str | None = None,
    ) -> Action:
        """Enter `release`, which passed its own validation in `incident`, and keep its `snapshot`.

        `schema` is the database's revisions at that time, None if unknown. `vouched` has the checks that could not be
        made and that a person vouched for. If no `snapshot` could be taken, it is the reason, as a text. `bridge` is
        the incident that relaxed the schema for the release. `copies` are the contents of the files in the snapshot.
        Copies in `needed` are kept, whatever their age.
        """
        at = {"schema": list(schema)} if schema else {}
        line = release.facts() | at | {"validated_at": utc_now(), "validated_by": incident}
        if vouched:
            line["vouched_for"] = vouched
        if bridge:
            line["bridge"] = bridge
        line["snapshot"], keeping = self._keeping(snapshot, copies, needed)

        def already() -> str | None:
            newest = self._newest()
            same = (newest.get("digests"), newest.get("validated_by")) == (line["digests"], incident)
            return f"this incident entered {release.tag} at {newest['validated_at']}" if same else None

        summary = f"{release.tag} is entered in the ledger of known-good releases"
        return Action(
            ActionName.ENTER_LEDGER,
            summary,
            (*keeping, *self._file.append_commands(line)),
            already,
            scope=Scope.NOTES,
            resource=self._file.path,
            new=release.tag,
        )

    def _keeping(
        self, snapshot: ReleaseSnapshot | str, copies: Collection[bytes], needed: Collection[str]
    ) -> tuple[dict[str, Any], tuple[Command, ...]]:
        """Return the snapshot's members in a new line, and the commands that keep it and remove old ones."""
        if isinstance(snapshot, str):
            return {"unknown": snapshot}, ()
        try:
            told, written = self._snapshots.keep(snapshot)
        except Inconclusive as too_large:
            return {"unknown": too_large.seen}, ()
        newest = self._file.read()[1 - _SNAPSHOTS :]
        tags = {str(line.get("tag")) for line in newest}
        kept = {str(each) for line in newest for each in _copies(line)}
        return told, (
            *self.copies.keep_commands(copies),
            *written,
            *self._snapshots.remove_others({*tags, snapshot.tag}),
            *self.copies.remove_others({*kept, *snapshot.copies, *needed}),
        )

    def check_newest(self, tag: str, incident: str) -> Check:
        """Check that the newest line is for `tag`, by `incident`."""

        def observe() -> Observation:
            newest = self._newest()
            ok = newest.get("tag") == tag and newest.get("validated_by") == incident
            return Observation(ok, f"the newest line of {self._file.path} names {newest.get('tag', 'nothing')}")

        return Check(
            f"the ledger to name {tag}", observe, "somebody else wrote to the ledger at the same time: try again"
        )

    def _newest(self) -> dict[str, Any]:
        return (self._file.read() or [{}])[-1]


def _copies(line: Mapping[str, Any]) -> Sequence[Any]:
    told = line.get("snapshot")
    copies = told.get("copies") if isinstance(told, dict) else None
    return copies if isinstance(copies, list) else ()


def _candidate(line: Mapping[str, Any]) -> Candidate:
    digests = line.get("digests")
    known = {str(service): str(digest) for service, digest in digests.items()} if isinstance(digests, dict) else {}
    evidence = f"on the ledger: passed its own validation at {line.get('validated_at')} ({line.get('validated_by')})"
    if line.get("vouched_for"):
        evidence += f"; not checked, but vouched for: {', '.join(sorted(line['vouched_for']))}"
    schema = line.get("schema")
    return Candidate(
        str(line.get("tag", "")),
        known,
        evidence,
        str(line.get("validated_by")),
        kind=Kind.VALIDATED,
        time=moment_in(line.get("validated_at")),
        source="the ledger",
        schema=tuple(map(str, schema)) if isinstance(schema, list) else (),
    )
