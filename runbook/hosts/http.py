"""The HTTP client: one request with a deadline, no proxy, no redirects, recorded."""

import contextlib
import json
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

import httpx

from runbook.errors import HostError, Inconclusive, NoAnswer, Why
from runbook.hosts.in_time import within
from runbook.text import beginning

# They log addresses and headers, which may be secrets.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

#: Maximum bytes read of a body, because servers may be broken or hostile.
LARGEST_BODY = 8 << 20


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP answer: status, headers by lower-case name, body as text and as bytes (`content`), time in seconds."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float
    content: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Return the body parsed as JSON. Raises Inconclusive when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Inconclusive(
                f"{self.url} answered {self.status} with {beginning(self.body, 80)!r}, expected JSON",
                "request the URL by hand, with curl",
            ) from None


class ExchangeRecorder(Protocol):
    """Records HTTP exchanges. The incident implements it."""

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Record one request with its answer, or with the reason why there was none."""


class Tunnel(Protocol):
    """A tunnel to addresses that only the production host reaches."""

    def path_to(self, host: str, port: int) -> Path:
        """Return a Unix socket on this machine that leads to the address. Raises HostError."""

    def refusals(self) -> list[str]:
        """Return why connections at the far end failed, newest last."""


@dataclass
class HttpClient:
    """Sends HTTP requests. `deadline` is in seconds, for one whole exchange.

    With a `tunnel` all requests go through the production host. With `public_from_here` requests to public addresses
    do not.
    """

    deadline: float
    recorder: ExchangeRecorder
    tunnel: Tunnel | None = None
    public_from_here: bool = False
    _tunnelled: dict[tuple[Path, bool], httpx.Client] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _client(self) -> httpx.Client:
        # Cached: loading the certificate authorities is slow.
        return self._made(verify=True)

    @cached_property
    def _unverified(self) -> httpx.Client:
        return self._made(verify=False)

    def _through(self, url: str, *, verify: bool) -> httpx.Client:
        """Return the client for an address. Raises HostError."""
        address = httpx.URL(url)
        if self.tunnel is None or (self.public_from_here and _is_public(address.host)):
            return self._client if verify else self._unverified
        path = self.tunnel.path_to(address.host, address.port or (443 if address.scheme == "https" else 80))
        if (path, verify) not in self._tunnelled:
            self._tunnelled[path, verify] = self._made(verify=verify, through=path)
        return self._tunnelled[path, verify]

    def _made(self, *, verify: bool, through: Path | None = None) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=verify, trust_env=False, uds=str(through)) if through else None
        # trust_env=True would use proxies.
        return httpx.Client(
            timeout=self._timeout(), trust_env=False, follow_redirects=False, verify=verify, transport=transport
        )

    def _timeout(self, patience: float | None = None) -> httpx.Timeout:
        # Connecting times out before the whole exchange does, so that the error names the connection.
        return httpx.Timeout(self.deadline, connect=0.8 * self.deadline, read=patience or self.deadline)

    def close(self) -> None:
        """Close the connections that are kept open. The next request opens new ones."""
        for name in ("_client", "_unverified"):
            client: httpx.Client | None = vars(self).pop(name, None)
            if client is not None:
                client.close()
        while self._tunnelled:
            self._tunnelled.popitem()[1].close()

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        any_certificate: bool = False,
        patience: float | None = None,
    ) -> HttpResponse:
        """Send a GET request. Raises NoAnswer when there is no HTTP answer in time.

        `any_certificate` skips verification, for an address that no certificate can name. `patience` is the seconds to
        wait for the start of the answer after the request is sent; then NoAnswer has the reason SILENT.
        """
        return self.send("GET", url, headers, any_certificate=any_certificate, patience=patience)

    def send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        secret_answer: bool = False,
        any_certificate: bool = False,
        end: bool = False,
        patience: float | None = None,
    ) -> HttpResponse:
        """Send one request, with `body` as JSON.

        Raises NoAnswer when there is no HTTP answer in time, and Inconclusive, without sending, when HTTP cannot carry
        a header. Keeps the first LARGEST_BODY bytes of a longer answer, or the last ones with `end`. With
        `secret_answer` the answer's body (a token, say) is not recorded. `form` is never recorded: it holds a secret.
        `any_certificate` and `patience` are those of `get`.
        """
        host = (headers or {}).get("Host", "").partition(":")[0]
        # A server with several names chooses its certificate by SNI, before it reads the Host header.
        named = {"sni_hostname": host} if any_certificate and host else {}
        if wrong := unsendable(headers or {}):
            raise Inconclusive(
                f"no request was sent to {url}: {wrong}",
                "correct the header's value in the settings: one line of plain ASCII, without a line break at its end",
            )
        refused = self.tunnel.refusals() if self.tunnel else []
        try:
            client = self._through(url, verify=url.startswith("https:") and not any_certificate)
            request = client.build_request(
                method, url, headers=dict(headers or {}), json=body, data=form, extensions=named,
                timeout=self._timeout(patience),
            )  # fmt: skip
            # The URL as requested, because redaction does not recognize a secret address that is written differently.
            answer = replace(self._exchange(client, request, end=end), url=url)
        except (httpx.HTTPError, httpx.InvalidURL, HostError) as error:
            why, reason = str(error) or type(error).__name__, no_answer_reason(error)
            if self.tunnel and (since := self.tunnel.refusals()[len(refused) :]):
                # The near end of a tunnel accepts every connection, and closes it when the far end cannot connect.
                why, reason = since[-1], Why.REFUSED if "refused" in since[-1] else Why.UNREACHABLE
            self.recorder.exchanged(method, url, body, why)
            raise NoAnswer(
                f"{url} gave no answer: {why}", "check that the address is right and something listens there", reason
            ) from None
        kept = replace(answer, body="(kept off the record)", content=b"") if secret_answer else answer
        self.recorder.exchanged(method, url, body, kept)
        return answer

    def _exchange(self, client: httpx.Client, request: httpx.Request, *, end: bool) -> HttpResponse:
        try:
            return within(self.deadline, lambda: self._ask(client, request, end=end))
        except TimeoutError as error:
            raise httpx.TimeoutException(str(error)) from None
        except OSError as error:
            raise httpx.ConnectError(str(error)) from None

    def _ask(self, client: httpx.Client, request: httpx.Request, *, end: bool) -> HttpResponse:
        began = time.monotonic()
        with contextlib.closing(client.send(request, stream=True)) as response:
            chunks, size = deque[bytes](), 0
            try:
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > LARGEST_BODY and not end:
                        break
                    while size - len(chunks[0]) >= LARGEST_BODY:
                        size -= len(chunks.popleft())
                    if time.monotonic() - began > self.deadline:
                        raise httpx.TimeoutException("the deadline has passed")
            except httpx.ReadTimeout as error:
                # The answer has begun, so this is not SILENT.
                raise httpx.TimeoutException(str(error)) from None
        content = b"".join(chunks)
        content = content[-LARGEST_BODY:] if end else content[:LARGEST_BODY]
        text = content.decode("utf-8", errors="replace")
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(str(request.url), response.status_code, lowered, text, time.monotonic() - began, content)


def unsendable(headers: Mapping[str, str]) -> str:
    """Return a message that names a header HTTP cannot carry; empty if there is none.

    The message omits the value, which may be secret. Libraries would quote it.
    """
    wrong = [name for name, value in headers.items() if not value.isascii() or not value.isprintable()]
    return f"the header {wrong[0]} contains a line break or a character that headers cannot have" if wrong else ""


def _is_public(host: str) -> bool:
    # As resolved on this machine.
    try:
        found = {ip_address(place[4][0]) for place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, ValueError):
        return False
    return bool(found) and all(address.is_global for address in found)


def no_answer_reason(error: Exception) -> Why:
    """Return why there was no answer, as far as the error shows."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return Why.TLS
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        return Why.REFUSED
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Why.UNREACHABLE
    if isinstance(error, httpx.ReadTimeout):
        return Why.SILENT
    # A TLS port also closes the connection of a plain HTTP request.
    return Why.NOT_HTTP if isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError)) else Why.OTHER
