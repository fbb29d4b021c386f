"""Which release is the target: the one asked for by name, or the newest known-good one that did not fail."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from runbook.errors import TargetError
from runbook.release import checked_tag


@dataclass(frozen=True)
class Candidate:
    """A release that could be the target: its tag, its known digests by service, and where it comes from."""

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
    """The candidate that was chosen, and those that were passed over, newest first."""

    chosen: Candidate
    passed_over: tuple[PassedOver, ...]


#: Says why the release with these digests must not come back; None when it may.
QuarantineReason = Callable[[Collection[str]], str | None]


def choose(
    ledger: Sequence[Candidate],
    failed_tags: Sequence[str],
    asked_for: str | None,
    *,
    quarantine_reason: QuarantineReason,
    rollbacks: Collection[str],
) -> Choice:
    """Choose the target: the release asked for, otherwise the newest of `ledger` that did not fail.

    `ledger` has the oldest first; `rollbacks` are the incidents that quarantined a release. When a release is asked
    for, the one that the ledger would have given is passed over. Raises TargetError when there is no target, when the
    failed release is itself what a rollback returned to, or when a tag cannot be one.
    """
    if asked_for is not None:
        checked_tag(asked_for)
    elif ledger and ledger[-1].tag in failed_tags and ledger[-1].validated_by in rollbacks:
        raise TargetError(
            f"{ledger[-1].tag} runs now, and is itself what incident {ledger[-1].validated_by} returned to",
            "to go further back, name the release with --to TAG",
        )
    newest, passed_over = _newest_good(ledger, failed_tags, quarantine_reason)
    if asked_for is not None:
        word = f"asked for by name (--to {asked_for})"
        if newest is not None and newest.tag != asked_for:
            passed_over.append(PassedOver(newest.tag, f"known good, but {asked_for} was asked for by name"))
        known = [candidate for candidate in ledger if candidate.tag == asked_for]
        if known:
            # The ledger's digests count for a typed name too, so a moved tag does not get through.
            return Choice(replace(known[-1], evidence=f"{word}; {known[-1].evidence}"), tuple(passed_over))
        return Choice(Candidate(asked_for, {}, f"{word}; not on the ledger"), tuple(passed_over))
    if newest is None:
        why = f" ({'; '.join(map(str, passed_over))})" if passed_over else ""
        raise TargetError(
            f"no known-good release on the ledger .runbook/known_good.jsonl{why}",
            "name the target with --to TAG; CI fills the ledger with `pytest features -m post_deploy`",
        )
    checked_tag(newest.tag)
    return Choice(newest, tuple(passed_over))


def _newest_good(
    ledger: Sequence[Candidate], failed_tags: Sequence[str], quarantine_reason: QuarantineReason
) -> tuple[Candidate | None, list[PassedOver]]:
    passed_over: list[PassedOver] = []
    seen: set[str] = set()
    for candidate in reversed(ledger):
        if candidate.tag in seen:  # of a tag that was validated twice, the newest entry counts
            continue
        seen.add(candidate.tag)
        if candidate.tag in failed_tags:
            passed_over.append(PassedOver(candidate.tag, "it is the release that failed"))
        elif reason := quarantine_reason(candidate.digests.values()):
            passed_over.append(PassedOver(candidate.tag, reason))
        else:
            return candidate, passed_over
    return None, passed_over
