"""The engine's event stream, which wakes waiting code when a container dies, starts or changes its health."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from runbook.hosts.engine.address import EngineAddress
from runbook.hosts.engine.request import EngineRecorder
from runbook.hosts.signals import signals_blocked

#: Events after which a container may look different. `health_status` is the prefix of three kinds.
_EVENTS = (
    "create", "destroy", "die", "health_status", "kill", "oom", "pause", "rename", "restart", "start", "stop",
    "unpause", "update",
)  # fmt: skip
#: Seconds without an event after which the stream is reopened, because a connection can be lost silently.
_QUIET = 30.0
_BURST = 0.05  # seconds to gather events that come together
_AGAIN = 1.0  # seconds between two attempts to open the stream
_ENDS_WITHIN = 1.0  # seconds
_LONGEST = 1 << 20  # bytes kept of an incomplete event
_NEW_NAME = "rename"


class EngineEvents:
    """Wakes code that waits for the containers of one project. Without a stream it only sleeps, as a poll does."""

    def __init__(self, address: Callable[[], EngineAddress], recorder: EngineRecorder, project: str) -> None:
        self._address = address
        self._recorder = recorder
        self._project = project
        self._stirred = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: Any = None
        #: Whether the stream is open. While it is, every change of a container is reported.
        self.is_open = False
        #: Times of `time.monotonic`: the stream opened, the last event came, the last unreadable event came.
        self._opened = self._last = self._unread = 0.0
        #: The time of the last event of each container, by id. Renames do not count.
        self._last_of: dict[str, float] = {}

    def undisturbed_since(self, moment: float, containers: Iterable[str] | None = None) -> bool:
        """Return whether the stream has been open since `moment` (`time.monotonic`) and no event came since then.

        With `containers` (ids), only their events, except renames, and unreadable events count.
        """
        last = self._last
        if containers is not None:
            last = max((self._unread, *(self._last_of.get(each, 0.0) for each in containers)))
        return self.is_open and self._opened <= moment and last < moment

    def listen(self) -> None:
        """Open the stream in a separate thread, unless that was done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="engine events", daemon=True)
            with signals_blocked(), suppress(RuntimeError):  # no thread left: callers poll
                self._thread.start()

    def look_begins(self) -> None:
        """Forget earlier events: the read that begins now sees their effect."""
        self._stirred.clear()

    def wait(self, seconds: float, between_events: float) -> None:
        """Wait for an event, at most `between_events` seconds while the stream is open, and `seconds` otherwise."""
        self.listen()
        until = time.monotonic() + (between_events if self.is_open else seconds)
        # If the stream closes meanwhile, the caller polls again after `seconds`.
        while not self._stirred.wait(max(0.0, min(seconds, until - time.monotonic()))):
            if not self.is_open or time.monotonic() >= until:
                return
        time.sleep(_BURST)

    def close(self) -> None:
        """Close the stream within a second."""
        self._over.set()
        self._end_stream()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_ENDS_WITHIN)

    def _end_stream(self) -> None:
        with suppress(Exception):  # the stream is not read any more, so its errors do not matter
            if self._stream is not None:
                self._stream.close()

    def _work(self) -> None:
        from runbook.hosts.engine.transport import Connection, Notes  # noqa: PLC0415 - slow to load

        while not self._over.is_set():
            notes, connection = Notes(), None
            try:
                connection = Connection(self._address(), notes)
                self._listen(connection.client, notes)
            except Exception:  # noqa: BLE001, S110 - callers poll until the stream is open again
                pass
            finally:
                self._tell(notes)
                # Wakes the waiting code for missed events. Until the stream is open again, its poll sees changes.
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
            answer.close()  # while it is read, its connection is not in a pool

    def _follow(self, answer: Any, notes: Any) -> None:
        from docker.types import CancellableStream  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load

        self._stream = CancellableStream(answer.iter_content(None), answer)
        if self._over.is_set():
            return  # closed during opening
        self._tell(notes)
        self._stirred.set()  # for what happened before the stream was open
        self._opened = time.monotonic()
        self.is_open = True
        line = b""
        for chunk in self._stream:  # an event only causes a new read of the containers
            *whole, line = (line + chunk).split(b"\n")
            for each in whole:
                self._note(each)
            if line:  # the rest of the event may come late
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
