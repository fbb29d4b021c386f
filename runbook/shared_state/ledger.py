"""The ledger: releases that passed their own post-deploy validation, and so are known good."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbook.actions import Action, ActionName, Check, Observation, Scope
from runbook.clock import utc_now
from runbook.production.compose import Production
from runbook.release import Release
from runbook.shared_state.host_file import JsonLinesFile
from runbook.targets.selection import Candidate


class Ledger:
    """`.runbook/known_good.jsonl` on the production host. Reading it raises Inconclusive when a line is broken."""

    def __init__(self, production: Production) -> None:
        self._file = JsonLinesFile(production, "known_good.jsonl")

    def candidates(self) -> list[Candidate]:
        """The releases on the ledger, oldest first."""
        return [_candidate(line) for line in self._file.read()]

    def validated_with(self, tag: str, schema: Sequence[str]) -> bool:
        """Tell whether a release passed its validation on a database at exactly these revisions."""
        at = sorted(schema)
        return any(line.get("tag") == tag and sorted(line.get("schema") or []) == at for line in self._file.read())

    def add(self, release: Release, incident: str, schema: Sequence[str] | None, vouched: Mapping[str, Any]) -> Action:
        """Enter `release`, which passed its own validation in `incident`.

        `schema` is the database's revisions at that time, None when they are not known; `vouched` holds the checks that
        could not be made and that a person vouched for.
        """
        at = {"schema": list(schema)} if schema else {}
        line = release.facts() | at | {"validated_at": utc_now(), "validated_by": incident}
        if vouched:
            line["vouched_for"] = vouched

        def already() -> str | None:
            newest = self._newest()
            same = (newest.get("digests"), newest.get("validated_by")) == (line["digests"], incident)
            return f"this incident entered {release.tag} at {newest['validated_at']}" if same else None

        summary = f"{release.tag} is entered in the ledger of known-good releases"
        return Action(
            ActionName.ENTER_LEDGER,
            summary,
            self._file.append_commands(line),
            already,
            scope=Scope.NOTES,
            resource=self._file.path,
            new=release.tag,
        )

    def check_newest(self, tag: str, incident: str) -> Check:
        """Check that the newest line is the one for `tag`, by `incident`."""

        def observe() -> Observation:
            newest = self._newest()
            ok = newest.get("tag") == tag and newest.get("validated_by") == incident
            return Observation(ok, f"the newest line of {self._file.path} names {newest.get('tag', 'nothing')}")

        return Check(
            f"the ledger to name {tag}", observe, "somebody else wrote to the ledger at the same time: try again"
        )

    def _newest(self) -> dict[str, Any]:
        return (self._file.read() or [{}])[-1]


def _candidate(line: Mapping[str, Any]) -> Candidate:
    digests = line.get("digests")
    known = {str(service): str(digest) for service, digest in digests.items()} if isinstance(digests, dict) else {}
    evidence = f"on the ledger: passed its own validation at {line.get('validated_at')} ({line.get('validated_by')})"
    if line.get("vouched_for"):
        evidence += f"; not checked, but vouched for: {', '.join(sorted(line['vouched_for']))}"
    return Candidate(str(line.get("tag", "")), known, evidence, str(line.get("validated_by")))
