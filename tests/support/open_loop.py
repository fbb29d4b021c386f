"""Requests at an even rate that do not wait for each other's answers, like requests of independent users."""

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

GATE_WAITS = 10  # seconds: the practice gateway's shortest timeout for a waiting request


@dataclass(frozen=True)
class Answer:
    """One request: its path, when it was due (monotonic clock), the seconds until its answer, and the answer.

    `status` is 0 without an answer; `release` is the header `X-Release`.
    """

    path: str
    due: float
    seconds: float
    status: int
    release: str


@dataclass
class OpenLoop:
    """GET requests to each of `paths` at `base` in turn, `rate` a second, each with a timeout of `patience` seconds."""

    base: str
    paths: Sequence[str]
    rate: float = 50.0
    patience: float = 15.0
    answers: list[Answer] = field(default_factory=list)  # appending is atomic

    @contextmanager
    def asking(self) -> Iterator["OpenLoop"]:
        """Send requests inside the block. At its end, wait for the answers that are on their way."""
        over, asked = threading.Event(), list[threading.Thread]()
        pace = threading.Thread(target=self._pace, args=(over, asked), daemon=True)
        pace.start()
        try:
            yield self
        finally:
            over.set()
            pace.join()
            for each in asked:
                each.join(self.patience + 1)

    def refused_early(self) -> list[Answer]:
        """Return the requests that were refused (503) although they had not waited as long as the gateway holds one.

        On a busy machine a switch may take longer than that, and then later refusals are right.
        """
        return [each for each in self.answers if each.status == 503 and each.seconds < GATE_WAITS]

    def _pace(self, over: threading.Event, asked: list[threading.Thread]) -> None:
        began, number = time.monotonic(), 0
        while not over.wait(max(0.0, began + number / self.rate - time.monotonic())):
            path, due = self.paths[number % len(self.paths)], began + number / self.rate
            asked.append(threading.Thread(target=self._ask, args=(path, due), daemon=True))
            asked[-1].start()
            number += 1

    def _ask(self, path: str, due: float) -> None:
        place = urlsplit(self.base)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=self.patience)
        status, release = 0, ""
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            status, release = answer.status, answer.getheader("X-Release") or ""
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        self.answers.append(Answer(path, due, time.monotonic() - due, status, release))
