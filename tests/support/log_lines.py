"""Errors counted in log lines that start with the container's name."""

from collections.abc import Callable

from runbook.production.logs.counter import ErrorCounter
from runbook.production.logs.reader import LogErrors


def errors_in(text: str, ignore: tuple[str, ...] = (), redact: Callable[[str], str] = str) -> LogErrors:
    """Count the errors in lines as printed by `docker compose logs`, with the container's name first."""
    counter = ErrorCounter(ignore, redact)
    counter.feed(text.encode("utf-8", errors="replace"))
    counter.end()
    return LogErrors(dict(counter.counts))
