"""The candidates of all sources in one list: the strongest evidence first, each with its objections."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from runbook.targets.candidate import Candidate, Kind

#: Returns why the release with these digests must not come back; None if it may.
QuarantineReason = Callable[[Collection[str]], str | None]


class Against(StrEnum):
    """The kinds of objections to a candidate."""

    FAILED = "failed"
    RUNNING = "running"
    QUARANTINED = "quarantined"
    OTHER_DIGEST = "other_digest"
    OTHER_PLATFORM = "other_platform"
    LACKS_IMAGES = "lacks_images"
    NEWER = "newer"
    #: These two are shown only; they do not bar the candidate.
    NOT_VALIDATED = "not_validated"
    OTHER_LEVEL = "other_level"


_SAID_ONLY = (Against.NOT_VALIDATED, Against.OTHER_LEVEL)


@dataclass(frozen=True)
class Objection:
    """An objection to a candidate, with the reason in words."""

    against: Against
    why: str

    @property
    def bars(self) -> bool:
        """Whether the objection bars the candidate unless a person names it."""
        return self.against not in _SAID_ONLY


@dataclass(frozen=True)
class Ranked:
    """A release with the facts from all sources."""

    known: tuple[Candidate, ...]
    objections: tuple[Objection, ...] = ()
    #: Its migrations level: the heads of its image, or the revisions at its validation; None if unknown.
    level: tuple[str, ...] | None = None

    @property
    def best(self) -> Candidate:
        """The candidate with the strongest evidence."""
        return self.known[0]

    @property
    def tag(self) -> str:
        """Its tag."""
        return self.best.tag

    @property
    def time(self) -> datetime | None:
        """The time of the strongest evidence that has one: validated, deployed or built."""
        return next((each.time for each in self.known if each.time), None)

    @property
    def pinned(self) -> Mapping[str, str]:
        """The digests it must have, by service: those of its validation, else those of the other sources."""
        if self.best.kind is Kind.VALIDATED and self.best.digests:
            return self.best.digests
        said = [each for each in reversed(self.known) if not each.copies]
        return {service: digest for each in said for service, digest in each.digests.items()}

    @property
    def digests(self) -> Mapping[str, str]:
        """All known digests; those of copies on the host only if no other source has them."""
        return {**{name: digest for each in self.known for name, digest in each.digests.items()}, **self.pinned}

    @property
    def bar(self) -> Objection | None:
        """The first objection that bars it, or None."""
        return next((each for each in self.objections if each.bars), None)

    def as_candidate(self) -> Candidate:
        """Return it as one candidate, with the evidence of all sources."""
        return replace(self.best, digests=self.pinned, evidence="; ".join(each.evidence for each in self.known))


@dataclass(frozen=True)
class Situation:
    """The facts to compare candidates with: the failed and the running release, by tag and digest, and the platform."""

    failed: Sequence[str]
    running: Sequence[str] = ()
    running_digests: Mapping[str, str] | None = None
    platform: str | None = None
    failed_digests: Mapping[str, str] | None = None


def rank(candidates: Iterable[Candidate], situation: Situation, quarantine_reason: QuarantineReason) -> list[Ranked]:
    """Merge the candidates of all sources by tag, the best first: validated, deployed, built; then the newest.

    Each source lists its newest candidates first. Validated releases keep the order of their source, the ledger, which
    does not depend on clocks.
    """
    told = list(candidates)
    by_tag: dict[str, list[Candidate]] = {}
    for each in told:
        mine = by_tag.setdefault(each.tag, [])
        if each.source not in {other.source for other in mine}:  # if a source lists a release twice, the newest
            mine.append(each)
    merged = [Ranked(tuple(sorted(known, key=lambda one: _strength(one.kind)))) for known in by_tag.values()]
    judged = _Judged(
        {one.tag for one in merged if _newer(one.known, situation.failed, told)},
        {digest for each in told if each.tag in situation.failed for digest in each.members},
    )
    found = [replace(one, objections=tuple(_objections(one, situation, judged, quarantine_reason))) for one in merged]
    return sorted(found, key=_place)


@dataclass(frozen=True)
class _Judged:
    """Conclusions from all sources: the tags newer than the failed release, and the digests in its image index."""

    newer: Collection[str]
    failed_members: Collection[str]


def by_level(ranked: Sequence[Ranked], before: Collection[str] | None) -> list[Ranked]:
    """Prefer, among candidates of the same kind, those at production's migrations level before the failed release."""
    if before is None:
        return list(ranked)

    def told(one: Ranked) -> Ranked:
        if one.level is None or set(one.level) == set(before):
            return one
        level = ", ".join(one.level) or "none"
        why = f"its migrations level is {level}, and production was at {', '.join(before)} before"
        return replace(one, objections=(*one.objections, Objection(Against.OTHER_LEVEL, why)))

    # `sorted` is stable.
    return sorted(map(told, ranked), key=lambda one: (_strength(one.best.kind), _away(one, set(before))))


def _away(one: Ranked, before: Collection[str]) -> bool:
    # Old ledger entries do not name the level; they are not moved back for that.
    if one.level is None:
        return one.best.kind is not Kind.VALIDATED
    return set(one.level) != before


def as_listed(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the order of the list for people: candidates without a bar first."""
    return sorted(ranked, key=lambda one: one.bar is not None)


def _strength(kind: Kind) -> int:
    return list(Kind).index(kind)


def _place(one: Ranked) -> tuple[int, float]:
    validated = one.best.kind is Kind.VALIDATED
    return _strength(one.best.kind), 0.0 if validated or not one.time else -one.time.timestamp()


def _objections(
    one: Ranked, situation: Situation, judged: _Judged, quarantine_reason: QuarantineReason
) -> Iterable[Objection]:
    if one.tag in situation.failed:
        yield Objection(Against.FAILED, "it is the failed release")
    elif _same_images(one.digests, situation.failed_digests or {}) or any(
        digest in judged.failed_members for digest in one.digests.values()
    ):
        yield Objection(Against.FAILED, "it has the images of the failed release, under another tag")
    elif one.tag in situation.running or _same_images(one.digests, situation.running_digests or {}):
        yield Objection(Against.RUNNING, "it is running now")
    if reason := quarantine_reason(one.digests.values()):
        yield Objection(Against.QUARANTINED, reason)
    yield from _digests_differ(one)
    platforms = sorted({platform for each in one.known for platform in each.platforms})
    if situation.platform and platforms and situation.platform not in platforms:
        why = f"its images are for {', '.join(platforms)}, and the host is {situation.platform}"
        yield Objection(Against.OTHER_PLATFORM, why)
    if lacks := sorted({service for each in one.known for service in each.lacks}):
        yield Objection(Against.LACKS_IMAGES, f"it has no image for {', '.join(lacks)}")
    if one.best.kind is not Kind.VALIDATED:
        if one.tag not in situation.failed and one.tag in judged.newer:
            yield Objection(Against.NEWER, "it is newer than the failed release")
        yield Objection(Against.NOT_VALIDATED, "it never passed a validation of this runbook")


def _same_images(known: Mapping[str, str], running: Mapping[str, str]) -> bool:
    return bool(running) and all(known.get(service) == digest for service, digest in running.items())


def _digests_differ(one: Ranked) -> Iterable[Objection]:
    others = [each for each in one.known if each is not one.best and not each.copies]
    for service, known in sorted(one.pinned.items()):
        said = {each.digests[service]: each.source for each in others if service in each.digests}
        if said and known not in said:
            digest, source = next(iter(said.items()))
            when = "when it was validated" if one.best.kind is Kind.VALIDATED else f"in {one.best.source}"
            why = f"{service} is {digest} in {source}, and was {known} {when}: the tag was moved"
            yield Objection(Against.OTHER_DIGEST, why)
            return


def _newer(mine: Sequence[Candidate], failed: Collection[str], told: Sequence[Candidate]) -> bool:
    """Tell whether it is newer than the failed release, by a source that knows both, else by all known times.

    `told` has the candidates of all sources, in their order.
    """
    newest: dict[tuple[str, str], Candidate] = {}
    for each in told:
        newest.setdefault((each.source, each.tag), each)
    others = [each for each in newest.values() if each.tag in failed]
    pairs = [(each, other) for each in mine for other in others if each.source == other.source]
    known = [each.time > other.time for each, other in pairs if each.time and other.time]
    if not known:
        place = {id(each): number for number, each in enumerate(told)}
        known = [place[id(each)] < place[id(other)] for each, other in pairs if each.in_order and not other.time]
    if known:
        return any(known)
    own, theirs = [each.time for each in mine if each.time], [each.time for each in others if each.time]
    return bool(own and theirs) and min(own) > max(theirs)
