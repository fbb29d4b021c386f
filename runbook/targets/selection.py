"""The choice of the target: the release requested by name, or the best candidate that nothing bars."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from runbook.errors import TargetError
from runbook.release import checked_tag
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.ranking import Against, QuarantineReason, Ranked, Situation, rank

#: The number of candidates that are shown, and can be selected by number.
SHOWN = 5


@dataclass(frozen=True)
class PassedOver:
    """A candidate that was not chosen, by its tag, and the reason."""

    candidate: str
    why: str

    def __str__(self) -> str:
        return f"{self.candidate}: {self.why}"


@dataclass(frozen=True)
class Choice:
    """The chosen candidate, and those that were passed over, the best first."""

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
    """Choose the target from the ledger only, which has the oldest first. Raises like `choose_from`."""
    ranked = rank(reversed(ledger), Situation(failed_tags), quarantine_reason)
    refuse_sliding_back(ledger, failed_tags, asked_for, rollbacks)
    return choose_from(ranked, asked_for)


def refuse_sliding_back(
    ledger: Sequence[Candidate], failed_tags: Sequence[str], asked_for: str | None, rollbacks: Collection[str]
) -> None:
    """Refuse to roll back the target of an earlier rollback, unless a person names the new target.

    `ledger` has the oldest first. `rollbacks` are the incidents that quarantined a release. Raises TargetError.
    """
    if asked_for is None and ledger and ledger[-1].tag in failed_tags and ledger[-1].validated_by in rollbacks:
        raise TargetError(
            f"{ledger[-1].tag} runs now, and is itself the target of incident {ledger[-1].validated_by}",
            "to go further back, name the release with --to TAG",
        )


def choose_from(ranked: Sequence[Ranked], asked_for: str | None, without: str = "") -> Choice:
    """Choose the target: the requested release, otherwise the first of `ranked` that nothing bars.

    If a release is requested, the default choice is passed over. `without` names the sources that could not be read.
    Raises TargetError when there is no target, or a tag is not a valid image tag.
    """
    if asked_for is not None:
        checked_tag(asked_for)
    best = next((one for one in ranked if one.bar is None), None)
    before = ranked if best is None else ranked[: list(ranked).index(best)]
    passed_over = [PassedOver(one.tag, one.bar.why) for one in before if one.bar is not None]
    if asked_for is not None:
        if best is not None and best.tag != asked_for:
            word = "known good" if best.best.kind is Kind.VALIDATED else best.best.kind.value
            passed_over.append(PassedOver(best.tag, f"{word}, but {asked_for} was requested by name"))
        return Choice(_named(ranked, asked_for), tuple(passed_over))
    for one in before:
        if one.best.kind is Kind.VALIDATED and one.bar is not None and one.bar.against is Against.OTHER_DIGEST:
            # An older release would be a guess: its tag may have been moved too.
            raise TargetError(
                f"{one.tag} would be the target, but {one.bar.why}",
                "find out who moved it; name another release with --to TAG",
            )
    if best is None:
        why = f" ({'; '.join(map(str, passed_over))})" if passed_over else ""
        raise TargetError(
            f"no known-good release on the ledger .runbook/known_good.jsonl, or in another source{why}{without}",
            "name the target with --to TAG; CI fills the ledger with `pytest features -m post_deploy`",
        )
    checked_tag(best.tag)
    return Choice(best.as_candidate(), tuple(passed_over))


def _named(ranked: Sequence[Ranked], tag: str) -> Candidate:
    """Return the release that a person named, with all known facts."""
    word = f"requested by name (--to {tag})"
    known = next((one for one in ranked if one.tag == tag), None)
    if known is None:
        return Candidate(tag, {}, f"{word}; not on the ledger, or in another source")
    found = known.as_candidate()
    said = [word] if found.kind is Kind.VALIDATED else [word, "not on the ledger"]
    # The ledger's digests also apply to a typed name, so a moved tag is caught.
    return replace(
        found, evidence="; ".join([*said, found.evidence, *(f"but {each.why}" for each in known.objections)])
    )


def resolve_tag(listed: Sequence[Ranked], word: str) -> str:
    """Return the selected tag: `word` itself, or the tag of the candidate with that number.

    If `word` is a number and also a known tag, it is the tag.
    """
    if any(one.tag == word for one in listed) or not word.isdecimal():
        return word
    number = int(word[:4])
    return listed[number - 1].tag if word == str(number) and 1 <= number <= min(SHOWN, len(listed)) else word
