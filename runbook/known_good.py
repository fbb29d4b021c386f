"""Which release is known good, and which must not come back: the ledger and the quarantine on the production host."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook.errors import TargetError
from runbook.host_files import HostLines
from runbook.incident.journal import utc_now
from runbook.production import Production
from runbook.release import Release, checked_tag
from runbook.sentence import Change, Expectation, Reach, Seen


@dataclass(frozen=True)
class Candidate:
    """A release that could be the target: its tag, its digests as far as they are known, and where it comes from."""

    tag: str
    digests: Mapping[str, str]
    evidence: str


@dataclass(frozen=True)
class Choice:
    """The candidate that was chosen, and a sentence for each one that was passed over."""

    chosen: Candidate
    passed_over: tuple[str, ...]


class KnownGood:
    """What production's host remembers of releases."""

    def __init__(self, production: Production) -> None:
        self._ledger = HostLines(production, "known_good.jsonl")
        self._quarantine = HostLines(production, "quarantine.jsonl")

    def choose(self, failed_tags: Sequence[str], asked_for: str | None) -> Choice:
        """Choose the target: the release asked for, otherwise the newest one on the ledger that is not the failed one.

        Raises TargetError when there is none.
        """
        if asked_for is not None:
            checked_tag(asked_for)
            known = [line for line in self._ledger.read() if line.get("tag") == asked_for]
            word = f"; on the ledger since {known[-1].get('validated_at')}" if known else "; not on the ledger"
            # So that a run which broke off can be repeated: what is done already is found done.
            word += "; it runs now" if asked_for in failed_tags else ""
            return Choice(Candidate(asked_for, {}, f"asked for by name (--to {asked_for}){word}"), ())
        quarantined = {str(line.get("digest")) for line in self._quarantine.read()}
        passed_over = []
        seen: set[str] = set()
        for line in reversed(self._ledger.read()):
            candidate = _candidate(line)
            if candidate.tag in seen:
                continue
            seen.add(candidate.tag)
            if candidate.tag in failed_tags:
                passed_over.append(f"{candidate.tag}: it is the release that runs now")
            elif quarantined & set(candidate.digests.values()):
                passed_over.append(f"{candidate.tag}: quarantined after it failed")
            else:
                return Choice(candidate, tuple(passed_over))
        why = f" ({'; '.join(passed_over)})" if passed_over else ""
        raise TargetError(
            f"no known-good release on the ledger {self._ledger.path}{why}",
            "name the release to return to with --to TAG (to finish a run that broke off, the one it was returning to);"
            " CI fills the ledger with `pytest features -m post_deploy`",
        )

    def entering(self, release: Release, incident: str) -> Change:
        """The change that enters `release`, which passed its own validation in `incident`, in the ledger."""
        line = release.facts() | {"validated_at": utc_now(), "validated_by": incident}
        return Change(
            f"{release.tag} is entered in the ledger of known-good releases",
            self._ledger.appending(line),
            reach=Reach.NOTES,
        )

    def entered(self, tag: str, incident: str) -> Expectation:
        """That the newest line of the ledger is the one for `tag`, by `incident`."""

        def look() -> Seen:
            newest = (self._ledger.read() or [{}])[-1]
            so = newest.get("tag") == tag and newest.get("validated_by") == incident
            return Seen(so, f"the newest line of {self._ledger.path} names {newest.get('tag', 'nothing')}")

        return Expectation(
            f"the ledger to name {tag}", look, "somebody else wrote to the ledger at the same time: try again"
        )

    def quarantining(self, digests: Mapping[str, str], tag: str, incident: str) -> Change:
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
        return Change(f"{tag} is quarantined", self._quarantine.appending(*lines), already)

    def barred(self, digests: Collection[str]) -> str | None:
        """Say when and in which incident one of the digests failed; None when none is in quarantine."""
        lines = [line for line in self._quarantine.read() if line.get("digest") in digests]
        if not lines:
            return None
        return f"{lines[-1].get('tag')} failed in incident {lines[-1].get('incident')} ({lines[-1].get('since')})"

    def not_quarantined(self, digests: Mapping[str, str]) -> Expectation:
        """That none of the digests which run now failed before."""

        def look() -> Seen:
            barred = self.barred(digests.values())
            return Seen(barred is None, barred or f"none of {len(digests)} digests is in quarantine", final=True)

        return Expectation(
            "a release that has not failed before",
            look,
            "somebody deployed the failed release again: stop that pipeline, then roll back",
        )


def _candidate(line: Mapping[str, Any]) -> Candidate:
    digests = line.get("digests")
    known = {str(service): str(digest) for service, digest in digests.items()} if isinstance(digests, dict) else {}
    evidence = f"on the ledger: passed its own validation at {line.get('validated_at')} ({line.get('validated_by')})"
    return Candidate(checked_tag(str(line.get("tag", ""))), known, evidence)
