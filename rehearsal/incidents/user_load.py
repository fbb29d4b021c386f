"""Continuous requests in the background, and how they were answered."""

import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from rehearsal.errors import RehearsalError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
MOST_PER_SECOND = 50.0
LONGEST = 900.0  # seconds
ASKERS = 8  # so that a slow answer does not hold up the next request
PATIENCE = 2.0  # seconds, for one answer


@dataclass(frozen=True)
class Asked:
    """One request: when it was sent, when its answer arrived, and its status; None without an answer."""

    at: datetime
    answered_at: datetime
    status: int | None


class Load:
    """GET requests to one address on this machine at an even rate, from `start` to `stop`; also a context manager.

    It stops after `longest` seconds at the latest. The requests so far can be read at any time.
    """

    def __init__(self, url: str, *, per_second: float, longest: float = LONGEST, here: str = "") -> None:
        """`here` is the second host's address.

        Raises RehearsalError if the address is not on this machine, or if the rate or the duration is out of range.
        """
        if urlsplit(url).hostname not in {*LOOPBACK, here}:
            raise RehearsalError(f"{url} is not on this machine: load is sent only to this machine")
        if not 0 < per_second <= MOST_PER_SECOND or not 0 < longest <= LONGEST:
            raise RehearsalError(f"{per_second:g} requests a second for {longest:g} s are out of range")
        self._url = url
        self._pause = ASKERS / per_second
        self._longest = longest
        self._stop = threading.Event()
        self._asked: list[Asked] = []  # appending is atomic
        self._threads = [
            threading.Thread(target=self._ask, args=(number / per_second,), name=f"load-{number}", daemon=True)
            for number in range(ASKERS)
        ]

    def start(self) -> None:
        """Start sending requests."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop sending, and wait for answers that are on their way. May be called again."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(PATIENCE * 3)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def asked(self) -> list[Asked]:
        """All finished requests, in the order in which they were sent."""
        return sorted(self._asked, key=lambda one: one.at)

    def first(self, status: int | None) -> Asked | None:
        """Return the first request answered with that status, or None."""
        return next((one for one in self.asked if one.status == status), None)

    def last(self, status: int | None) -> Asked | None:
        """Return the last request answered with that status, or None."""
        return next((one for one in reversed(self.asked) if one.status == status), None)

    def count(self, status: int | None, *, since: datetime | None = None) -> int:
        """Return how many requests sent at `since` or later were answered with that status."""
        return sum(one.status == status for one in self.asked if since is None or one.at >= since)

    def __str__(self) -> str:
        counts = Counter(one.status for one in self.asked)
        words = [f"{'no answer' if status is None else status}: {counts[status]}" for status in sorted(counts, key=str)]
        good = self.last(httpx.codes.OK)
        at = f"; the last 200 at {good.at.isoformat(timespec='milliseconds')}" if good else ""
        return (", ".join(words) or "no requests") + at

    def _ask(self, delay: float) -> None:
        """Send this thread's share of the requests. Turns that a slow answer used up are skipped."""
        began = time.monotonic()
        turn = began + delay
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            while not self._stop.wait(max(0.0, turn - time.monotonic())) and time.monotonic() < began + self._longest:
                at = datetime.now(UTC)
                status: int | None = None
                with suppress(httpx.HTTPError):
                    status = client.get(self._url).status_code
                self._asked.append(Asked(at, datetime.now(UTC), status))
                behind = max(0.0, time.monotonic() - turn)
                turn += self._pause * (1 + behind // self._pause)
