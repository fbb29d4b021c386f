"""Which release is the target: the one asked for by name, or the best known one that nothing speaks against."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from runbook.errors import TargetError
from runbook.release import checked_tag
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.ranking import Against, QuarantineReason, Ranked, Situation, rank

#: How many candidates people are shown, and can name by their number.
SHOWN = 5


@dataclass(frozen=True)
class PassedOver:
    """A candidate that was not chosen, by its tag, and why."""

    candidate: str
    why: str

    def __str__(self) -> str:
        return f"{self.candidate}: {self.why}"


@dataclass(frozen=True)
class Choice:
    """The candidate that was chosen, and those that were passed over, the best first."""

    chosen: Candidate
    passed_over: tuple[PassedOver, ...]


def choose(
    ledger: Sequence[Candidate],
    failed_tags: Sequence[str],
    asked_for: str | None,
    *,
    quarantine_reason: QuarantineReason,
    rollbacks: Collection[str],
) -> Choice:
    """Choose the target from the ledger alone, which has the oldest first; raises as `choose_from` does."""
    ranked = rank(reversed(ledger), Situation(failed_tags), quarantine_reason)
    refuse_sliding_back(ledger, failed_tags, asked_for, rollbacks)
    return choose_from(ranked, asked_for)


def refuse_sliding_back(
    ledger: Sequence[Candidate], failed_tags: Sequence[str], asked_for: str | None, rollbacks: Collection[str]
) -> None:
    """Refuse to go on from what a rollback returned to, unless a person names where to.

    `ledger` has the oldest first; `rollbacks` are the incidents that quarantined a release. Raises TargetError.
    """
    if asked_for is None and ledger and ledger[-1].tag in failed_tags and ledger[-1].validated_by in rollbacks:
        raise TargetError(
            f"{ledger[-1].tag} runs now, and is itself what incident {ledger[-1].validated_by} returned to",
            "to go further back, name the release with --to TAG",
        )


def choose_from(ranked: Sequence[Ranked], asked_for: str | None, without: str = "") -> Choice:
    """Choose the target: the release asked for, otherwise the first of `ranked` that nothing bars.

    When a release is asked for, the one that would have been chosen is passed over. `without` names the sources that
    could not be asked. Raises TargetError when there is no target, or when a tag cannot be one.
    """
    if asked_for is not None:
        checked_tag(asked_for)
    best = next((one for one in ranked if one.bar is None), None)
    before = ranked if best is None else ranked[: list(ranked).index(best)]
    passed_over = [PassedOver(one.tag, one.bar.why) for one in before if one.bar is not None]
    if asked_for is not None:
        if best is not None and best.tag != asked_for:
            word = "known good" if best.best.kind is Kind.VALIDATED else best.best.kind.value
            passed_over.append(PassedOver(best.tag, f"{word}, but {asked_for} was asked for by name"))
        return Choice(_named(ranked, asked_for), tuple(passed_over))
    for one in before:
        if one.best.kind is Kind.VALIDATED and one.bar is not None and one.bar.against is Against.OTHER_DIGEST:
            # An older one would be a guess: whoever moved the tag may have moved others.
            raise TargetError(
                f"{one.tag} would be the target, and {one.bar.why}",
                "find out who moved it; name another release with --to TAG",
            )
    if best is None:
        why = f" ({'; '.join(map(str, passed_over))})" if passed_over else ""
        raise TargetError(
            f"no known-good release on the ledger .runbook/known_good.jsonl, nor in another source{why}{without}",
            "name the target with --to TAG; CI fills the ledger with `pytest features -m post_deploy`",
        )
    checked_tag(best.tag)
    return Choice(best.as_candidate(), tuple(passed_over))


def _named(ranked: Sequence[Ranked], tag: str) -> Candidate:
    """The release that a person named, with all that is known of it."""
    word = f"asked for by name (--to {tag})"
    known = next((one for one in ranked if one.tag == tag), None)
    if known is None:
        return Candidate(tag, {}, f"{word}; not on the ledger, nor in another source")
    found = known.as_candidate()
    said = [word] if found.kind is Kind.VALIDATED else [word, "not on the ledger"]
    # The ledger's digests count for a typed name too, so a moved tag does not get through.
    return replace(
        found, evidence="; ".join([*said, found.evidence, *(f"but {each.why}" for each in known.objections)])
    )


def tag_meant(listed: Sequence[Ranked], word: str) -> str:
    """Return the tag that was meant: `word` itself, or that of the candidate with that number.

    A tag that is a number of its own is that tag, wherever a source knows it.
    """
    if any(one.tag == word for one in listed) or not word.isdecimal():
        return word
    number = int(word[:4])
    return listed[number - 1].tag if word == str(number) and 1 <= number <= min(SHOWN, len(listed)) else word
