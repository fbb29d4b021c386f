"""UTC times as the journal writes them."""

import re
from datetime import UTC, datetime

_BEGAN = re.compile(r"([0-9]{8})T([0-9]{6})Z-.*?(-[0-9]+)?")


def utc_now() -> str:
    """Return the current time as `2026-01-31T23:59:59.123456Z`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def in_utc(time: str) -> str:
    """Return a person's ISO 8601 time in the journal's form. A time without a zone is UTC.

    Raises ValueError when it is not a time.

    >>> in_utc("2026-01-31T23:05+01:00")
    '2026-01-31T22:05:00.000000Z'
    """
    found = datetime.fromisoformat(time.strip())
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(time: str) -> datetime:
    """Parse a UTC time in the journal's form."""
    return datetime.fromisoformat(time)


def seconds_between(began: str, ended: str) -> float:
    """Return the seconds between two UTC times.

    >>> seconds_between("2026-01-31T23:59:58.000000Z", "2026-01-31T23:59:59.500000Z")
    1.5
    """
    return (moment(ended) - moment(began)).total_seconds()


def digits_of(incident: str) -> str:
    """Return the time in an incident's name as digits, plus its number within that second. Empty for other names.

    >>> digits_of("20260131T235959Z-shop-restore-2")
    '20260131235959-2'
    """
    found = _BEGAN.fullmatch(incident)
    return "".join(filter(None, found.groups())) if found else ""
