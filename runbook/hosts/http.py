"""The HTTP client: one request with a deadline, no proxy, no redirects, recorded."""

import contextlib
import json
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import httpx

from runbook.errors import Inconclusive, NoAnswer, Why
from runbook.hosts.signals import signals_blocked
from runbook.text import beginning

#: Bytes of a body that are read at most, because servers may be broken or hostile.
LARGEST_BODY = 8 << 20


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP answer: status, headers by lower-case name, body as text and as bytes (`content`), seconds it took."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float
    content: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Return the body as JSON. Raises Inconclusive when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Inconclusive(
                f"{self.url} answered {self.status} with {beginning(self.body, 80)!r} where JSON was expected",
                "ask the address by hand, with curl",
            ) from None


class ExchangeRecorder(Protocol):
    """Records HTTP exchanges: the incident does."""

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Record one request with its answer, or with the reason for none."""


@dataclass
class HttpClient:
    """Sends HTTP requests; `deadline` is the seconds for one whole exchange."""

    deadline: float
    recorder: ExchangeRecorder
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = self._made(verify=True)

    @cached_property
    def _unverified(self) -> httpx.Client:
        return self._made(verify=False)

    def _made(self, *, verify: bool) -> httpx.Client:
        # Connecting times out before the whole exchange, so that the error names it. trust_env would use proxies.
        timeout = httpx.Timeout(self.deadline, connect=0.8 * self.deadline)
        return httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False, verify=verify)

    def get(self, url: str, headers: Mapping[str, str] | None = None, *, any_certificate: bool = False) -> HttpResponse:
        """GET `url`. Raises NoAnswer when there is no HTTP answer in time.

        `any_certificate` skips verification, for an address that no certificate can name.
        """
        return self.send("GET", url, headers, any_certificate=any_certificate)

    def send(  # noqa: PLR0913 - a request has these parts
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        secret_answer: bool = False,
        any_certificate: bool = False,
    ) -> HttpResponse:
        """Send one request, `body` as JSON. Raises NoAnswer when there is no HTTP answer in time.

        With `secret_answer` the body (a token, say) is not recorded. `any_certificate` is as for `get`.
        """
        client = self._unverified if any_certificate else self._client
        host = (headers or {}).get("Host", "").partition(":")[0]
        # A server of several names chooses its certificate by SNI, before it reads the Host header.
        named = {"sni_hostname": host} if any_certificate and host else {}
        try:
            request = client.build_request(method, url, headers=dict(headers or {}), json=body, extensions=named)
            answer = self._exchange(client, request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            self.recorder.exchanged(method, url, body, why)
            raise NoAnswer(
                f"{url} gave no answer: {why}",
                "check that the address is right and something listens there",
                no_answer_reason(error),
            ) from None
        kept = replace(answer, body="(kept off the record)", content=b"") if secret_answer else answer
        self.recorder.exchanged(method, url, body, kept)
        return answer

    def _exchange(self, client: httpx.Client, request: httpx.Request) -> HttpResponse:
        # In a thread that is left behind at the deadline: httpx's timeout is for each read, so that a server which
        # drips its headers byte by byte would never time out.
        ended: queue.SimpleQueue[HttpResponse | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                ended.put(self._ask(client, request))
            except Exception as error:  # noqa: BLE001 - raised again below
                ended.put(error)

        with signals_blocked():
            threading.Thread(target=ask, daemon=True).start()
        try:
            found = ended.get(timeout=self.deadline)
        except queue.Empty:
            raise httpx.ReadTimeout(f"the answer was not complete after {self.deadline:g} s") from None
        if isinstance(found, Exception):
            raise found
        return found

    def _ask(self, client: httpx.Client, request: httpx.Request) -> HttpResponse:
        began = time.monotonic()
        with contextlib.closing(client.send(request, stream=True)) as response:
            chunks, size = [], 0
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if size > LARGEST_BODY:
                    break
                if time.monotonic() - began > self.deadline:
                    raise httpx.ReadTimeout("the deadline has passed")
        content = b"".join(chunks)[:LARGEST_BODY]
        text = content.decode("utf-8", errors="replace")
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(str(request.url), response.status_code, lowered, text, time.monotonic() - began, content)


def no_answer_reason(error: Exception) -> Why:
    """Return why there was no answer, as far as the error tells."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return Why.TLS
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        return Why.REFUSED
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Why.UNREACHABLE
    # A TLS port, too, closes the connection of a plain request.
    return Why.NOT_HTTP if isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError)) else Why.OTHER
