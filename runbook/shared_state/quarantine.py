"""The quarantine: digests of failed releases, so that no deploy or rollback brings them back."""

from collections.abc import Collection, Mapping
from typing import Any

from runbook.actions import Action, ActionName, Check, Observation
from runbook.clock import utc_now
from runbook.production.compose import Production
from runbook.shared_state.host_file import JsonLinesFile


class Quarantine:
    """`.runbook/quarantine.jsonl` on the production host. Reading it raises Inconclusive when a line is invalid."""

    def __init__(self, production: Production) -> None:
        self._file = JsonLinesFile(production, "quarantine.jsonl")

    def add(self, digests: Mapping[str, str], tag: str, incident: str) -> Action:
        """Return the change that quarantines the failed release's `digests` (by service).

        Post-deploy validation refuses them from then on.
        """
        known = {str(line.get("digest")) for line in self._file.read()}

        def already() -> str | None:
            if not digests:
                return "there is no digest to put in quarantine"
            return f"{tag} is in quarantine" if set(digests.values()) <= known else None

        lines = [
            {"tag": tag, "service": service, "digest": digest, "incident": incident, "since": utc_now()}
            for service, digest in sorted(digests.items())
            if digest not in known
        ]
        return Action(
            ActionName.QUARANTINE,
            f"{tag} is quarantined",
            self._file.append_commands(*lines),
            already,
            resource=self._file.path,
            new=tag,
        )

    def entries(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """Return those of `digests` (by service) that are in quarantine, with the tag, the time and the file."""
        lines = {str(line.get("digest")): line for line in reversed(self._file.read())}
        found = {service: lines[digest] for service, digest in sorted(digests.items()) if digest in lines}
        return {
            "tag": ", ".join(sorted({str(line.get("tag")) for line in found.values()})),
            "digests": {service: line["digest"] for service, line in found.items()},
            "since": min((str(line.get("since")) for line in found.values()), default=""),
            "file": self._file.path,
        }

    def incidents(self) -> set[str]:
        """Return the incidents that quarantined a release."""
        return {str(line.get("incident")) for line in self._file.read()}

    def reason(self, digests: Collection[str]) -> str | None:
        """Return when and in which incident a release with these digests failed; None if none did.

        A release failed if it has all digests that were quarantined together: a release that fixes the api may share
        the image of the jobs.
        """
        failed: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
        for line in self._file.read():
            failed.setdefault((line.get("tag"), line.get("incident")), []).append(line)
        for (tag, incident), lines in reversed(failed.items()):
            if {line.get("digest") for line in lines} <= set(digests):
                return f"{tag} failed in incident {incident} ({lines[-1].get('since')})"
        return None

    def check_quarantined(self, digests: Mapping[str, str]) -> Check:
        """Check that the failed release's digests are in quarantine. It passes if no digest was known."""

        def observe() -> Observation:
            reason = self.reason(digests.values()) if digests else "no digest was known"
            return Observation(reason is not None, reason or "not in quarantine")

        return Check(
            "the failed release in quarantine", observe, "make sure that CI does not deploy it again", acceptable=False
        )

    def check_not_quarantined(self, digests: Mapping[str, str]) -> Check:
        """Check that the release with these digests did not fail before."""

        def observe() -> Observation:
            reason = self.reason(digests.values())
            seen = reason or "none of its digests is in quarantine"
            return Observation(reason is None, seen, final=True)

        return Check(
            "a release that has not failed before",
            observe,
            "somebody deployed the failed release again: stop that pipeline, then roll back",
            acceptable=False,
        )
