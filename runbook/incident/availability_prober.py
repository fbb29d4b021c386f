"""The prober: requests the public address during the whole run, and records every answer."""

import contextlib
import queue
import threading
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx

from runbook.errors import JournalError
from runbook.hosts.signals import signals_blocked
from runbook.journal.availability import NO_ANSWER, Availability, Probe
from runbook.journal.journal import Journal
from runbook.settings.schema import Settings
from runbook.text import visible

#: The number of recent probes that are kept for the live view.
RECENT = 480

_FLUSH_EVERY = 2.0  # seconds; a killed run loses the probes since the last write
_LARGEST_BODY = 1024 * 1024
#: The maximum number of threads. A name server that hangs blocks them beyond the deadline.
_MOST_THREADS = 64
_END_WITHIN = 2.0  # seconds


class AvailabilityProber:
    """Sends a GET to one address every `interval` seconds, in its own thread. An interval of 0 sends none.

    Each probe opens a new connection, as a new user would, and has `deadline` seconds for the whole answer. Probes do
    not wait for each other, so an address that hangs is counted as often as one that answers.
    """

    def __init__(self, url: str, interval: float, deadline: float, journal: Journal) -> None:
        self._interval = interval
        self._deadline = deadline
        self._journal = journal
        self._lock = threading.Lock()
        self._known = Availability(url)
        self._recent: deque[Probe] = deque(maxlen=RECENT)
        self._unwritten: list[Probe] = []
        self._ended: queue.SimpleQueue[Probe | Exception | None] = queue.SimpleQueue()
        self._open: dict[float, threading.Thread] = {}
        self._left_behind: list[threading.Thread] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="availability", daemon=True)
        self._utc_of_zero = datetime.now(UTC) - timedelta(seconds=time.monotonic())

    @classmethod
    def of(cls, settings: Settings, journal: Journal) -> "AvailabilityProber":
        """Return the prober of the public address in the settings. Without one it never sends a request."""
        traffic = settings.traffic
        if traffic is None:
            return cls("", 0.0, settings.deadlines.http, journal)
        return cls(traffic.address, traffic.probe_interval, settings.deadlines.http, journal)

    @property
    def summary(self) -> Availability | None:
        """The results so far. None without an interval."""
        if not self._interval:
            return None
        with self._lock:
            return replace(self._known, recent=tuple(self._recent), waiting_since=min(self._open, default=None))

    def start(self) -> None:
        """Start the thread, if there is an interval."""
        if self._interval:
            with signals_blocked():
                self._thread.start()

    def stop(self) -> None:
        """Stop within about two seconds, and record the last answers. Never raises."""
        if self._thread.ident is not None:
            self._ended.put(None)
            self._thread.join(_END_WITHIN)
        with contextlib.suppress(JournalError):  # the run's own next entry raises it
            self._write()
        with self._lock:
            self._closed = True

    def _work(self) -> None:
        try:
            with httpx.Client(
                timeout=self._deadline,
                trust_env=False,
                follow_redirects=False,
                # Only for HTTPS, because loading the CA certificates is slow.
                verify=self._known.url.startswith("https:"),
                headers={"User-Agent": "rollback-runbook availability", "Connection": "close"},
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            ) as client:
                self._ask_until_stopped(client)
        except Exception as error:  # noqa: BLE001 - no error may count as an address that is up
            self._break_off(visible(" ".join(f"{type(error).__name__}: {error}".split())))

    def _ask_until_stopped(self, client: httpx.Client) -> None:
        due = time.monotonic()
        write_at = due + _FLUSH_EVERY
        while True:
            now = time.monotonic()
            if now >= due:
                self._begin(client, now)
                # After the machine was suspended, missed probes are not made up for.
                due = max(due + self._interval, now)
            until = min(due, write_at, *(began + self._deadline for began in self._open))
            try:
                ended = self._ended.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                # Only with an empty queue: an answer that waits in it is an answer.
                turned = sum(self._settle(probe) for probe in self._overdue()) > 0
            else:
                if ended is None:
                    return
                if isinstance(ended, Exception):
                    raise ended
                turned = self._settle(ended)
            if turned or time.monotonic() >= write_at:
                self._write()
                write_at = time.monotonic() + _FLUSH_EVERY

    def _overdue(self) -> list[Probe]:
        now = time.monotonic()
        return [Probe(began, NO_ANSWER, self._deadline) for began in self._open if now - began >= self._deadline]

    def _begin(self, client: httpx.Client, began: float) -> None:
        thread = threading.Thread(target=self._ask, args=(client, began), daemon=True)
        with self._lock:
            self._open[began] = thread
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if len(self._open) + len(self._left_behind) <= _MOST_THREADS:
            thread.start()

    def _ask(self, client: httpx.Client, began: float) -> None:
        try:
            status = self._status(client, began)
        except httpx.HTTPError:
            status = NO_ANSWER
        except Exception as error:  # noqa: BLE001 - raised again in the thread that probes
            self._ended.put(error)
            return
        self._ended.put(Probe(began, status, time.monotonic() - began))

    def _status(self, client: httpx.Client, began: float) -> int:
        size = 0
        with client.stream("GET", self._known.url) as response:
            for chunk in response.iter_raw():
                size += len(chunk)
                # httpx's timeout applies to each read. An answer that trickles in counts like one that never comes.
                if size > _LARGEST_BODY or time.monotonic() - began > self._deadline:
                    break
        return response.status_code

    def _settle(self, probe: Probe) -> bool:
        """Count a probe once. Return whether the address has changed from down to up, or from up to down."""
        with self._lock:
            thread = self._open.pop(probe.began, None)
            if thread is None:
                return False
            if thread.is_alive():
                self._left_behind.append(thread)
            before, self._known = self._known, self._known.with_probe(probe)
            self._recent.append(probe)
            self._unwritten.append(probe)
            return before.last is None or (before.down_since is None) != (self._known.down_since is None)

    def _write(self) -> None:
        with self._lock:
            probes, self._unwritten = sorted(self._unwritten, key=lambda probe: probe.began), []
            if self._closed or not probes:
                return
            self._journal.write(
                "availability",
                url=self._known.url,
                interval_ms=_milliseconds(self._interval),
                deadline_ms=_milliseconds(self._deadline),
                began=self._utc(probes[0].began),
                offsets_ms=[_milliseconds(probe.began - probes[0].began) for probe in probes],
                statuses=[probe.status for probe in probes],
                latencies_ms=[_milliseconds(probe.latency) for probe in probes],
            )

    def _break_off(self, error: str) -> None:
        with self._lock:
            self._known = replace(self._known, error=error)
            if not self._closed:
                with contextlib.suppress(JournalError):  # the next writer raises it
                    self._journal.write("availability", url=self._known.url, error=error)

    def _utc(self, moment: float) -> str:
        utc = self._utc_of_zero + timedelta(seconds=moment)
        return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
