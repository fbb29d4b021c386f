"""Candidates of all sources as one list: the strongest evidence first, and what speaks against each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from runbook.targets.candidate import Candidate, Kind

#: Says why the release with these digests must not come back; None when it may.
QuarantineReason = Callable[[Collection[str]], str | None]


class Against(StrEnum):
    """What speaks against a candidate."""

    FAILED = "failed"
    RUNNING = "running"
    QUARANTINED = "quarantined"
    OTHER_DIGEST = "other_digest"
    OTHER_PLATFORM = "other_platform"
    LACKS_IMAGES = "lacks_images"
    NEWER = "newer"
    #: These two are said, and bar nothing.
    NOT_VALIDATED = "not_validated"
    OTHER_LEVEL = "other_level"


_SAID_ONLY = (Against.NOT_VALIDATED, Against.OTHER_LEVEL)


@dataclass(frozen=True)
class Objection:
    """What speaks against a candidate, and why, in words."""

    against: Against
    why: str

    @property
    def bars(self) -> bool:
        """Whether the candidate is never chosen because of it, unless a person names it."""
        return self.against not in _SAID_ONLY


@dataclass(frozen=True)
class Ranked:
    """A release as all sources together know it."""

    known: tuple[Candidate, ...]
    objections: tuple[Objection, ...] = ()
    #: Its migrations level: the heads of its image, or the revisions with which it was validated; None is not known.
    level: tuple[str, ...] | None = None

    @property
    def best(self) -> Candidate:
        """What the strongest evidence says."""
        return self.known[0]

    @property
    def tag(self) -> str:
        """Its tag."""
        return self.best.tag

    @property
    def time(self) -> datetime | None:
        """When it was validated, deployed or built, whichever is proved."""
        return next((each.time for each in self.known if each.time), None)

    @property
    def pinned(self) -> Mapping[str, str]:
        """The digests by service that it must have: those with which it was validated, else those that others say."""
        if self.best.kind is Kind.VALIDATED and self.best.digests:
            return self.best.digests
        said = [each for each in reversed(self.known) if not each.copies]
        return {service: digest for each in said for service, digest in each.digests.items()}

    @property
    def digests(self) -> Mapping[str, str]:
        """All digests that are known; of copies on the host where nothing else tells them."""
        return {**{name: digest for each in self.known for name, digest in each.digests.items()}, **self.pinned}

    @property
    def bar(self) -> Objection | None:
        """The first objection because of which it is never chosen silently."""
        return next((each for each in self.objections if each.bars), None)

    def as_candidate(self) -> Candidate:
        """Return it as one candidate, with the evidence of all sources."""
        return replace(self.best, digests=self.pinned, evidence="; ".join(each.evidence for each in self.known))


@dataclass(frozen=True)
class Situation:
    """What candidates are held against: what failed and what runs, by tag and by digest, and the host's platform."""

    failed: Sequence[str]
    running: Sequence[str] = ()
    running_digests: Mapping[str, str] | None = None
    platform: str | None = None
    failed_digests: Mapping[str, str] | None = None


def rank(candidates: Iterable[Candidate], situation: Situation, quarantine_reason: QuarantineReason) -> list[Ranked]:
    """Put what all sources know together, by tag, the best first: validated before deployed before built, then newest.

    Of one source the newest come first. The order of validated ones is their source's own: the ledger is written in
    it, whatever the clocks said.
    """
    told = list(candidates)
    by_tag: dict[str, list[Candidate]] = {}
    for each in told:
        mine = by_tag.setdefault(each.tag, [])
        if each.source not in {other.source for other in mine}:  # of a release that stands there twice, the newest
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
    """What follows from all that the sources told: which tags are newer than what failed, and what its index holds."""

    newer: Collection[str]
    failed_members: Collection[str]


def by_level(ranked: Sequence[Ranked], before: Collection[str] | None) -> list[Ranked]:
    """Prefer, among candidates of the same kind, those at the migrations level that production had before."""
    if before is None:
        return list(ranked)

    def told(one: Ranked) -> Ranked:
        if one.level is None or set(one.level) == set(before):
            return one
        level = ", ".join(one.level) or "none"
        why = f"its migrations level is {level}, and production was at {', '.join(before)} before"
        return replace(one, objections=(*one.objections, Objection(Against.OTHER_LEVEL, why)))

    # `sorted` keeps the order of those that are alike.
    return sorted(map(told, ranked), key=lambda one: (_strength(one.best.kind), _away(one, set(before))))


def _away(one: Ranked, before: Collection[str]) -> bool:
    # An entry of the ledger from before it named the level is not put back for that.
    if one.level is None:
        return one.best.kind is not Kind.VALIDATED
    return set(one.level) != before


def as_listed(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the order in which people pick: what may be chosen comes first."""
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
        yield Objection(Against.FAILED, "it is what a rollback replaces")
    elif _same_images(one.digests, situation.failed_digests or {}) or any(
        digest in judged.failed_members for digest in one.digests.values()
    ):
        yield Objection(Against.FAILED, "it has the images of the release that failed, under another tag")
    elif one.tag in situation.running or _same_images(one.digests, situation.running_digests or {}):
        yield Objection(Against.RUNNING, "it is what runs now")
    if reason := quarantine_reason(one.digests.values()):
        yield Objection(Against.QUARANTINED, reason)
    yield from _digests_differ(one)
    platforms = sorted({platform for each in one.known for platform in each.platforms})
    if situation.platform and platforms and situation.platform not in platforms:
        why = f"its images are for {', '.join(platforms)}, and the host is {situation.platform}"
        yield Objection(Against.OTHER_PLATFORM, why)
    if lacks := sorted({service for each in one.known for service in each.lacks}):
        yield Objection(Against.LACKS_IMAGES, f"there is no image of it for {', '.join(lacks)}")
    if one.best.kind is not Kind.VALIDATED:
        if one.tag not in situation.failed and one.tag in judged.newer:
            yield Objection(Against.NEWER, "it is newer than the release that failed")
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
    """Tell whether it is newer than what failed: by a source that knows both, or else by whatever is known.

    `told` is all that the sources told, in their order.
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
