"""The engine's event stream: whoever waits for containers is woken when one dies, starts, or changes its health."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from runbook.hosts.engine.address import EngineAddress
from runbook.hosts.engine.request import EngineRecorder
from runbook.hosts.signals import signals_blocked

#: What may change a look at a container; `health_status` is the beginning of its three kinds.
_EVENTS = (
    "create", "destroy", "die", "health_status", "kill", "oom", "pause", "rename", "restart", "start", "stop",
    "unpause", "update",
)  # fmt: skip
#: Seconds without an event after which the stream is opened anew, since a connection can be lost in silence.
_QUIET = 30.0
_BURST = 0.05  # seconds in which events that come together are gathered
_AGAIN = 1.0  # seconds between two attempts to open it
_ENDS_WITHIN = 1.0  # seconds
_LONGEST = 1 << 20  # bytes of one event
_NEW_NAME = "rename"


class EngineEvents:
    """Wakes who waits for the containers of one project. Without a stream it only lets time pass, as a poll does."""

    def __init__(self, address: Callable[[], EngineAddress], recorder: EngineRecorder, project: str) -> None:
        self._address = address
        self._recorder = recorder
        self._project = project
        self._stirred = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: Any = None
        #: Whether the stream is open: every change of a container is told then.
        self.is_open = False
        #: By `time.monotonic`: since when the stream is open, when an event came last, and one that cannot be read.
        self._opened = self._last = self._unread = 0.0
        #: When something last happened to a container, by its id. A new name is nothing that happens to it.
        self._last_of: dict[str, float] = {}

    def undisturbed_since(self, moment: float, containers: Iterable[str] | None = None) -> bool:
        """Tell whether the stream has been open since that `moment` of `time.monotonic`, and no event came since.

        With `containers`, by their ids, none that something happened to one of them.
        """
        last = self._last
        if containers is not None:
            last = max((self._unread, *(self._last_of.get(each, 0.0) for each in containers)))
        return self.is_open and self._opened <= moment and last < moment

    def listen(self) -> None:
        """Open the stream, in a thread of its own, unless it is open."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="engine events", daemon=True)
            with signals_blocked(), suppress(RuntimeError):  # no thread is left: then it is polled
                self._thread.start()

    def look_begins(self) -> None:
        """Forget what has happened up to now: the look that begins sees it."""
        self._stirred.clear()

    def wait(self, seconds: float, between_events: float) -> None:
        """Wait for an event, at most `between_events` seconds while the stream is open, and `seconds` otherwise."""
        self.listen()
        until = time.monotonic() + (between_events if self.is_open else seconds)
        # It may close meanwhile; then the poll goes on at its own pace.
        while not self._stirred.wait(max(0.0, min(seconds, until - time.monotonic()))):
            if not self.is_open or time.monotonic() >= until:
                return
        time.sleep(_BURST)

    def close(self) -> None:
        """Close the stream, within a second."""
        self._over.set()
        self._end_stream()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_ENDS_WITHIN)

    def _end_stream(self) -> None:
        with suppress(Exception):  # whatever is wrong with it, it is not read any more
            if self._stream is not None:
                self._stream.close()

    def _work(self) -> None:
        from runbook.hosts.engine.transport import Connection, Notes  # noqa: PLC0415 - slow to load

        while not self._over.is_set():
            notes, connection = Notes(), None
            try:
                connection = Connection(self._address(), notes)
                self._listen(connection.client, notes)
            except Exception:  # noqa: BLE001, S110 - without a stream it is polled, and opened again
                pass
            finally:
                self._tell(notes)
                # What happens until it is open again is seen by the poll; the look at once is for what was missed.
                self.is_open = False
                self._stirred.set()
                if connection is not None:
                    connection.close()
            self._over.wait(_AGAIN)

    def _listen(self, client: Any, notes: Any) -> None:
        from docker.utils import convert_filters  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load

        asked = {
            "type": ["container"],
            "event": list(_EVENTS),
            "label": [f"com.docker.compose.project={self._project}"],
        }
        url = f"{client.base_url}/v{client.api_version}/events"
        answer = client.get(url, params={"filters": convert_filters(asked)}, stream=True, timeout=_QUIET)
        try:
            answer.raise_for_status()
            self._follow(answer, notes)
        finally:
            answer.close()  # its connection belongs to no pool while it is read

    def _follow(self, answer: Any, notes: Any) -> None:
        from docker.types import CancellableStream  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load

        self._stream = CancellableStream(answer.iter_content(None), answer)
        if self._over.is_set():
            return  # closed while it was opened
        self._tell(notes)
        self._stirred.set()  # what happened before it was open
        self._opened = time.monotonic()
        self.is_open = True
        line = b""
        for chunk in self._stream:  # what has changed is looked at, never believed
            *whole, line = (line + chunk).split(b"\n")
            for each in whole:
                self._note(each)
            if line:  # the rest of it may be long in coming
                self._unread, line = time.monotonic(), line[-_LONGEST:]
            self._last = time.monotonic()
            self._stirred.set()
            if self._over.is_set():
                return

    def _note(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            action, container = event["Action"], str(event["Actor"]["ID"])
        except (ValueError, LookupError, TypeError, RecursionError):
            self._unread = time.monotonic()
            return
        if action != _NEW_NAME:
            self._last_of[container] = time.monotonic()

    def _tell(self, notes: Any) -> None:
        if not notes.is_over and not self._over.is_set():
            for request in notes.over("no answer"):
                self._recorder.engine_asked(request)
