"""The SDK's client for one engine, with recorded requests and limited answers. Slow to import."""

import io
import socket
import threading
import time
from typing import Any

import docker  # type: ignore[import-untyped]
import requests

from runbook.hosts.engine.address import EngineAddress
from runbook.hosts.engine.request import EngineRequest, reason

#: Maximum bytes read of an answer. For a stream, its reader sets the limit.
LARGEST_ANSWER = 32 << 20
# The oldest API version that the SDK speaks. The first request asks for the engine's version.
_ANY_VERSION = "1.24"
_READ = 60.0  # seconds per read. A call has its own deadline; this ends the thread that it abandoned


class Notes:
    """The requests of one call. A request that is open when the call is over counts as unanswered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: list[EngineRequest] = []
        self._open: tuple[str, str, float] | None = None
        self.is_over = False

    @property
    def is_first(self) -> bool:
        """Whether no request has ended yet."""
        return not self._done

    def began(self, method: str, path: str) -> None:
        """Note that a request was sent."""
        with self._lock:
            self._open = method, path, time.monotonic()

    def ended(self, status: int | None, error: str = "") -> None:
        """Note the answer's status, or why there was no answer."""
        with self._lock:
            if self._open is not None and not self.is_over:
                method, path, began = self._open
                self._done.append(EngineRequest(method, path, time.monotonic() - began, status, error))
            self._open = None

    def over(self, why: str) -> list[EngineRequest]:
        """Return all requests and take no more. An unanswered request gets `why` as its error."""
        if self._open is not None:
            self.ended(None, why)
        with self._lock:
            self.is_over = True
            return list(self._done)


class _Noting(requests.adapters.BaseAdapter):
    """Forwards requests, notes them in the `Notes` of the sending thread, and limits the size of answers."""

    def __init__(self, inner: requests.adapters.BaseAdapter, url: str) -> None:
        super().__init__()
        self._inner = inner
        self._url = url
        self.by_thread = threading.local()

    def send(self, request: requests.PreparedRequest, stream: bool = False, **options: Any) -> requests.Response:  # type: ignore[override]  # noqa: FBT001, FBT002 - as requests calls it
        notes: Notes = self.by_thread.notes
        if notes.is_over:
            raise requests.ConnectionError("its look is over")  # the caller does not wait for it any more
        notes.began(str(request.method), request.path_url)
        try:
            if notes.is_first:
                _reach(self._url)
            response = self._inner.send(request, stream=True, **options)
            if not stream or not response.ok:
                response.raw = io.BytesIO(_whole(response))
        except Exception as error:
            notes.ended(None, reason(error))
            raise
        notes.ended(response.status_code)
        return response

    def close(self) -> None:
        self._inner.close()


def _reach(url: str) -> None:
    # The SDK does not close a socket that it could not connect, and Python warns of that at some later time.
    if url.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_READ)
            probe.connect("/" + url.removeprefix("unix:").lstrip("/"))


def _whole(response: requests.Response) -> bytes:
    content: bytes = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
    if len(content) > LARGEST_ANSWER:
        response.close()
        raise ValueError(f"an answer of more than {LARGEST_ANSWER} bytes")
    return content


class Connection:
    """A client of the engine at an address. `client` is the SDK's. Raises what the SDK raises, and OSError."""

    def __init__(self, address: EngineAddress, notes: Notes) -> None:
        first = self._client(address, _ANY_VERSION, notes)
        try:
            version = first.version(api_version=False)["ApiVersion"]
        finally:
            first.close()
        self.client = self._client(address, str(version), notes)

    def note_in(self, notes: Notes) -> None:
        """Note the requests of this thread in `notes`."""
        self._noting.by_thread.notes = notes

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def _client(self, address: EngineAddress, version: str, notes: Notes) -> Any:
        made = docker.APIClient(base_url=address.url, version=version, timeout=_READ, tls=_tls(address))
        # No proxies, no redirects, no ~/.netrc.
        made.trust_env, made.max_redirects = False, 0
        prefix = made.base_url.partition("://")[0] + "://"
        self._noting = _Noting(made.get_adapter(made.base_url), "" if address.dialed else address.url)
        made.mount(prefix, self._noting)
        self.note_in(notes)
        return made


def _tls(address: EngineAddress) -> Any:
    if not address.tls:
        return False
    pair = (address.certificate, address.key) if address.certificate and address.key else None
    return docker.tls.TLSConfig(client_cert=pair, ca_cert=address.authority or None, verify=address.verify)
