"""The time in UTC: now, as the journal writes it, and between two entries."""

from datetime import UTC, datetime


def utc_now() -> str:
    """Return the time now as `2026-01-31T23:59:59.123456Z`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(time: str) -> datetime:
    """A UTC time as the journal writes it."""
    return datetime.fromisoformat(time)


def seconds_between(began: str, ended: str) -> float:
    """The seconds between two UTC times as the journal writes them."""
    return (moment(ended) - moment(began)).total_seconds()
