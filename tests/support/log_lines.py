"""Errors counted in log lines that are written as a test reads best: with the container in front."""

from collections.abc import Callable

from runbook.production.logs.counter import ErrorCounter
from runbook.production.logs.reader import LogErrors


def errors_in(text: str, ignore: tuple[str, ...] = (), redact: Callable[[str], str] = str) -> LogErrors:
    """Count the errors in lines as `docker compose logs` prints them, with the container in front."""
    counter = ErrorCounter(ignore, redact)
    counter.feed(text.encode("utf-8", errors="replace"))
    counter.end()
    return LogErrors(dict(counter.counts))
