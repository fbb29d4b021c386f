"""The last answers with data: a switch's addresses are asked while it is turned off, until they give none."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from runbook.clock import utc_now
from runbook.hosts.http import unsendable
from runbook.hosts.signals import signals_blocked

_EVERY = 1.0  # seconds between two rounds: what is switched off may be what overloads the application
_END_WITHIN = 2.0  # seconds


class DataWatch:
    """Counts the answers of 2xx with a body, at every address, and when the last one came.

    No more than the beginning of an answer is read.
    """

    def __init__(self, urls: Sequence[str], headers: Mapping[str, str], deadline: float) -> None:
        """`deadline` is the seconds for one step of an exchange."""
        self._urls = urls
        self._headers = headers
        self._deadline = deadline
        self._asked = self._with_data = 0
        self._last = ""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask meanwhile, in a thread of its own; what goes wrong there goes wrong for nobody else."""
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
            return  # the looks that follow say it
        with httpx.Client(timeout=self._deadline, trust_env=False, headers=dict(self._headers)) as client:
            while not over.is_set():
                for url in self._urls:
                    self._ask(client, url)
                over.wait(_EVERY)

    def _ask(self, client: httpx.Client, url: str) -> None:
        self._asked += 1
        try:
            with client.stream("GET", url) as answer:
                # A redirect, to a sign-in page say, has a body too.
                if answer.is_success and next(answer.iter_raw(), b""):
                    self._with_data, self._last = self._with_data + 1, utc_now()
        except Exception:  # noqa: BLE001, S110 - whatever went wrong, it was no data
            pass

    @property
    def words(self) -> str:
        """What was seen since the switch was ordered off; empty when nothing was asked."""
        if not self._asked:
            return ""
        seen = f"{self._with_data} of {self._asked} answers had data while it was turned"
        return f"{seen}, the last one at {self._last}" if self._last else seen
