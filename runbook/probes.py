"""How an HTTP address is asked: one request, a deadline, no proxy, on record."""

import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import httpx

from runbook.errors import Inconclusive
from runbook.incident.redaction import beginning
from runbook.threads import signals_held

#: As much of an answer as is ever read, in bytes: what answers may be broken or hostile.
LARGEST_BODY = 8 << 20


@dataclass(frozen=True)
class Answer:
    """What an address answered: status, headers with lower-case names, body as text, and the time in seconds.

    `content` is the body in bytes, where its digest matters.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float
    content: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises Inconclusive when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Inconclusive(
                f"{self.url} answered {self.status} with something that is not JSON: {beginning(self.body, 80)!r}",
                "look at the address by hand",
            ) from None


class ExchangeRecorder(Protocol):
    """What keeps the exchanges: the incident."""

    def exchanged(self, method: str, url: str, sent: Any, answer: Answer | str) -> None:
        """Keep one request with its answer, or with the reason why there was none."""


@dataclass
class Prober:
    """Asks HTTP addresses; `deadline` is in seconds for one whole exchange."""

    deadline: float
    recorder: ExchangeRecorder
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        # trust_env would send probes of our own containers through somebody's proxy.
        self._client = httpx.Client(timeout=self.deadline, trust_env=False, follow_redirects=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask `url` with GET. Raises Inconclusive when there is no HTTP answer."""
        return self.send("GET", url, headers)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        secret_answer: bool = False,
    ) -> Answer:
        """Send one request, `body` as JSON. Raises Inconclusive when there is no HTTP answer in time.

        With `secret_answer` the record keeps the status and not the body (a token, say).
        """
        try:
            answer = self._exchange(method, url, headers, body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            self.recorder.exchanged(method, url, body, why)
            raise Inconclusive(
                f"{url} gave no answer: {why}", "is the address right, and is something listening?"
            ) from None
        kept = replace(answer, body="(kept off the record)", content=b"") if secret_answer else answer
        self.recorder.exchanged(method, url, body, kept)
        return answer

    def _exchange(self, method: str, url: str, headers: Mapping[str, str] | None, body: Any) -> Answer:
        """Exchange in a thread, and leave it behind at the deadline.

        httpx's timeout is for each read: a server that drips its headers byte by byte would hold us for ever.
        """
        ended: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                ended.put(self._ask(method, url, headers, body))
            except Exception as error:  # noqa: BLE001 - raised again below, where it is waited for
                ended.put(error)

        with signals_held():
            threading.Thread(target=ask, daemon=True).start()
        try:
            found = ended.get(timeout=self.deadline)
        except queue.Empty:
            raise httpx.ReadTimeout(f"the answer was not complete after {self.deadline:g} s") from None
        if isinstance(found, Exception):
            raise found
        return found

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None, body: Any) -> Answer:
        began = time.monotonic()
        with self._client.stream(method, url, headers=dict(headers or {}), json=body) as response:
            chunks, size = [], 0
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if size > LARGEST_BODY:
                    break
                if time.monotonic() - began > self.deadline:
                    raise httpx.ReadTimeout("nobody waits for it any more")
        content = b"".join(chunks)[:LARGEST_BODY]
        text = content.decode("utf-8", errors="replace")
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(url, response.status_code, lowered, text, time.monotonic() - began, content)
