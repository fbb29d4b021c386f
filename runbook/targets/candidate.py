"""A release that could be the target, as one source knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Kind(StrEnum):
    """What is proved of a release; the strongest first."""

    VALIDATED = "validated"
    DEPLOYED = "deployed"
    BUILT = "built"


@dataclass(frozen=True)
class Candidate:
    """A release that could be the target: its tag, its known digests by service, and where it comes from.

    `time` is UTC; `platforms` are those that its images are for, none where that is not known; `lacks` are the services
    for which there is no image of it.
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
    #: Whether its digests are of copies, which may be older than what the tag stands for by now.
    copies: bool = False
    #: Whether its source tells releases in the order in which they came, also where it knows no times.
    in_order: bool = False
    #: Where its image is an index, the digests of the images in it, which may have tags of their own (`v2-amd64`).
    members: tuple[str, ...] = ()
    #: The database's revisions with which it was validated.
    schema: tuple[str, ...] = ()


_FIRST_IMAGES = datetime(2013, 1, 1, tzinfo=UTC)  # builds that can be repeated state 1970 or year 1


def moment_in(text: object) -> datetime | None:
    """Return the time that a stranger wrote in ISO 8601, in UTC; None when it is none, or one before there were images.

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
