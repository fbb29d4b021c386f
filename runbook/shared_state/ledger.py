"""Which release is known good, and which must not come back: the ledger and the quarantine on the production host."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook.actions import Action, Check, Observation, Scope
from runbook.clock import utc_now
from runbook.errors import TargetError
from runbook.production.compose import Production
from runbook.release import Release, checked_tag
from runbook.shared_state.jsonl import JsonLinesFile


@dataclass(frozen=True)
class Candidate:
    """A release that could be the target: its tag, its digests as far as they are known, and where it comes from."""

    tag: str
    digests: Mapping[str, str]
    evidence: str
    validated_by: str | None = None


@dataclass(frozen=True)
class PassedOver:
    """A candidate that was not chosen, by its tag, and why."""

    candidate: str
    why: str

    def __str__(self) -> str:
        return f"{self.candidate}: {self.why}"


@dataclass(frozen=True)
class Choice:
    """The candidate that was chosen, and those that were passed over."""

    chosen: Candidate
    passed_over: tuple[PassedOver, ...]


class Ledger:
    """What production's host remembers of releases."""

    def __init__(self, production: Production) -> None:
        self._ledger = JsonLinesFile(production, "known_good.jsonl")
        self._quarantine = JsonLinesFile(production, "quarantine.jsonl")

    def choose(self, failed_tags: Sequence[str], asked_for: str | None) -> Choice:
        """Choose the target: the release asked for, otherwise the newest one on the ledger that is not the failed one.

        Where one was asked for, the one that the ledger would have given is passed over, too. Raises TargetError when
        there is none, or when the release that failed was itself just returned to.
        """
        ledger = [_candidate(line) for line in self._ledger.read()]
        if asked_for is not None:
            checked_tag(asked_for)
            known = [candidate for candidate in ledger if candidate.tag == asked_for]
            word = f"asked for by name (--to {asked_for})"
            newest, passed_over = self._newest_good(ledger, failed_tags)
            if newest is not None and newest.tag != asked_for:
                passed_over.append(PassedOver(newest.tag, f"known good, but {asked_for} was asked for by name"))
            if known:
                # Its digests count as well: a name that was typed must not let a moved tag through.
                return Choice(replace(known[-1], evidence=f"{word}; {known[-1].evidence}"), tuple(passed_over))
            return Choice(Candidate(asked_for, {}, f"{word}; not on the ledger"), tuple(passed_over))
        rollbacks = {line.get("incident") for line in self._quarantine.read()}
        if ledger and ledger[-1].tag in failed_tags and ledger[-1].validated_by in rollbacks:
            raise TargetError(
                f"{ledger[-1].tag} runs now, and is itself what incident {ledger[-1].validated_by} returned to",
                "if it must go further back, name the release with --to TAG",
            )
        newest, passed_over = self._newest_good(ledger, failed_tags)
        if newest is not None:
            checked_tag(newest.tag)
            return Choice(newest, tuple(passed_over))
        why = f" ({'; '.join(map(str, passed_over))})" if passed_over else ""
        raise TargetError(
            f"no known-good release on the ledger {self._ledger.path}{why}",
            "name the release to return to with --to TAG; CI fills the ledger with `pytest features -m post_deploy`",
        )

    def _newest_good(
        self, ledger: Sequence[Candidate], failed_tags: Sequence[str]
    ) -> tuple[Candidate | None, list[PassedOver]]:
        """The newest candidate that is not known to be bad, if any, and those that were passed over before it."""
        passed_over = []
        seen: set[str] = set()
        for candidate in reversed(ledger):
            if candidate.tag in seen:
                continue
            seen.add(candidate.tag)
            if candidate.tag in failed_tags:
                passed_over.append(PassedOver(candidate.tag, "it is the release that failed"))
            elif quarantine_reason := self.quarantine_reason(candidate.digests.values()):
                passed_over.append(PassedOver(candidate.tag, quarantine_reason))
            else:
                return candidate, passed_over
        return None, passed_over

    def add(self, release: Release, incident: str, schema: Sequence[str] | None, vouched: Mapping[str, Any]) -> Action:
        """The change that enters `release`, which passed its own validation in `incident`, in the ledger.

        `schema` is the database's revisions that it passed with, None when they are not known; `vouched` holds the
        checks that could not be made and that a person vouched for.
        """
        at = {"schema": list(schema)} if schema else {}
        line = release.facts() | at | {"validated_at": utc_now(), "validated_by": incident}
        if vouched:
            line["vouched_for"] = vouched

        def already() -> str | None:
            newest = (self._ledger.read() or [{}])[-1]
            same = (newest.get("digests"), newest.get("validated_by")) == (line["digests"], incident)
            return f"this incident entered {release.tag} at {newest['validated_at']}" if same else None

        return Action(
            f"{release.tag} is entered in the ledger of known-good releases",
            self._ledger.appending(line),
            already,
            scope=Scope.NOTES,
        )

    def validated_with(self, tag: str, schema: Sequence[str]) -> bool:
        """Tell whether a release passed its validation on a database at these very revisions."""
        at = sorted(schema)
        return any(line.get("tag") == tag and sorted(line.get("schema") or []) == at for line in self._ledger.read())

    def check_newest(self, tag: str, incident: str) -> Check:
        """That the newest line of the ledger is the one for `tag`, by `incident`."""

        def observe() -> Observation:
            newest = (self._ledger.read() or [{}])[-1]
            so = newest.get("tag") == tag and newest.get("validated_by") == incident
            return Observation(so, f"the newest line of {self._ledger.path} names {newest.get('tag', 'nothing')}")

        return Check(
            f"the ledger to name {tag}", observe, "somebody else wrote to the ledger at the same time: try again"
        )

    def quarantining(self, digests: Mapping[str, str], tag: str, incident: str) -> Action:
        """The change that marks the failed release's digests, so that post-deploy validation refuses them."""
        known = {str(line.get("digest")) for line in self._quarantine.read()}

        def already() -> str | None:
            if not digests:
                return "there is no digest to put in quarantine"
            return f"{tag} is in quarantine" if set(digests.values()) <= known else None

        lines = [
            {"tag": tag, "service": service, "digest": digest, "incident": incident, "since": utc_now()}
            for service, digest in sorted(digests.items())
            if digest not in known
        ]
        return Action(f"{tag} is quarantined", self._quarantine.appending(*lines), already)

    def quarantined(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """Those of `digests`, which are by service, that are in quarantine: the tag, since when, and in which file."""
        lines = {str(line.get("digest")): line for line in reversed(self._quarantine.read())}
        found = {service: lines[digest] for service, digest in sorted(digests.items()) if digest in lines}
        return {
            "tag": ", ".join(sorted({str(line.get("tag")) for line in found.values()})),
            "digests": {service: line["digest"] for service, line in found.items()},
            "since": min((str(line.get("since")) for line in found.values()), default=""),
            "file": self._quarantine.path,
        }

    def quarantine_reason(self, digests: Collection[str]) -> str | None:
        """Say when and in which incident these images failed together; None when they did not.

        A release failed when all digests that were put in quarantine with it are among its own: a release that mends
        the api may well share the image of the jobs.
        """
        failed: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
        for line in self._quarantine.read():
            failed.setdefault((line.get("tag"), line.get("incident")), []).append(line)
        for (tag, incident), lines in reversed(failed.items()):
            if {line.get("digest") for line in lines} <= set(digests):
                return f"{tag} failed in incident {incident} ({lines[-1].get('since')})"
        return None

    def in_quarantine(self, digests: Mapping[str, str]) -> Check:
        """That the failed release's digests are in quarantine; nothing to look at where none was known."""

        def observe() -> Observation:
            quarantine_reason = self.quarantine_reason(digests.values()) if digests else "no digest was known"
            return Observation(quarantine_reason is not None, quarantine_reason or "not in quarantine")

        return Check(
            "the failed release in quarantine", observe, "see to it that CI cannot deploy it again", acceptable=False
        )

    def not_quarantined(self, digests: Mapping[str, str]) -> Check:
        """That none of the digests which run now failed before."""

        def observe() -> Observation:
            quarantine_reason = self.quarantine_reason(digests.values())
            return Observation(
                quarantine_reason is None,
                quarantine_reason or f"none of {len(digests)} digests is in quarantine",
                final=True,
            )

        return Check(
            "a release that has not failed before",
            observe,
            "somebody deployed the failed release again: stop that pipeline, then roll back",
            acceptable=False,
        )


def _candidate(line: Mapping[str, Any]) -> Candidate:
    digests = line.get("digests")
    known = {str(service): str(digest) for service, digest in digests.items()} if isinstance(digests, dict) else {}
    evidence = f"on the ledger: passed its own validation at {line.get('validated_at')} ({line.get('validated_by')})"
    if line.get("vouched_for"):
        evidence += f"; not checked, but vouched for: {', '.join(sorted(line['vouched_for']))}"
    return Candidate(str(line.get("tag", "")), known, evidence, str(line.get("validated_by")))
