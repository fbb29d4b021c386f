"""A candidate: a release that could be the target, according to one source."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of evidence for a release, the strongest first."""

    VALIDATED = "validated"
    DEPLOYED = "deployed"
    BUILT = "built"


@dataclass(frozen=True)
class Candidate:
    """A release that could be the target: its tag, its known digests by service, and its source.

    `time` is UTC. `platforms` are the platforms of its images, empty if unknown. `lacks` are the services without an
    image of this release.
    """

    tag: str
    digests: Mapping[str, str]
    evidence: str
    validated_by: str | None = None
    kind: Kind = Kind.BUILT
    time: datetime | None = None
    source: str = ""
    platforms: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    #: Whether its digests are those of local copies, which may be older than the tag's current image.
    copies: bool = False
    #: Whether its source lists releases in chronological order, even without times.
    in_order: bool = False
    #: If its image is an index: the digests of the images in it, which may have their own tags (`v2-amd64`).
    members: tuple[str, ...] = ()
    #: The database revisions at its validation.
    schema: tuple[str, ...] = ()


_FIRST_IMAGES = datetime(2013, 1, 1, tzinfo=UTC)  # reproducible builds state 1970 or year 1


def moment_in(text: object) -> datetime | None:
    """Return an untrusted ISO 8601 time in UTC; None if it is not a time, or is before the first images (2013).

    >>> moment_in("2025-12-15T11:00:00.123456789+01:00").isoformat()
    '2025-12-15T10:00:00.123456+00:00'
    """
    if not isinstance(text, str) or len(text) > 64:
        return None
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found > _FIRST_IMAGES else None
