"""The answers with data at a kill switch's URLs while it is turned off."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from runbook.clock import utc_now
from runbook.hosts.http import unsendable
from runbook.hosts.signals import signals_blocked

_EVERY = 1.0  # seconds between two rounds; not less, because these URLs may be what overloads the application
_END_WITHIN = 2.0  # seconds


class DataWatch:
    """Counts the 2xx answers with a body at all URLs, and notes the time of the last one.

    Only the beginning of an answer is read.
    """

    def __init__(self, urls: Sequence[str], headers: Mapping[str, str], deadline: float) -> None:
        """`deadline` is in seconds, for one step of an exchange."""
        self._urls = urls
        self._headers = headers
        self._deadline = deadline
        self._asked = self._with_data = 0
        self._last = ""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Send the requests in a separate thread within the block. Its errors have no effect outside."""
        over = threading.Event()
        thread = threading.Thread(target=self._work, args=(over,), name="answers with data", daemon=True)
        with signals_blocked():
            thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_END_WITHIN)

    def _work(self, over: threading.Event) -> None:
        if unsendable(self._headers):
            return  # the later checks report it
        with httpx.Client(timeout=self._deadline, trust_env=False, headers=dict(self._headers)) as client:
            while not over.is_set():
                for url in self._urls:
                    self._ask(client, url)
                over.wait(_EVERY)

    def _ask(self, client: httpx.Client, url: str) -> None:
        self._asked += 1
        try:
            with client.stream("GET", url) as answer:
                # A redirect (to a sign-in page, say) has a body too.
                if answer.is_success and next(answer.iter_raw(), b""):
                    self._with_data, self._last = self._with_data + 1, utc_now()
        except Exception:  # noqa: BLE001, S110 - an error is no data
            pass

    @property
    def words(self) -> str:
        """The counts in words; empty when no request was sent."""
        if not self._asked:
            return ""
        seen = f"{self._with_data} of {self._asked} answers had data while the switch was set"
        return f"{seen}, the last one at {self._last}" if self._last else seen
