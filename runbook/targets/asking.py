"""Queries to all sources of releases at once, each with a deadline. A source that is down does not stop the others."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from runbook.errors import RunbookError
from runbook.hosts.command import Begun, Command, Completed, Recorder
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.files.look import FileLook
from runbook.hosts.host import Host
from runbook.hosts.http import ExchangeRecorder, HttpClient, HttpResponse
from runbook.hosts.signals import signals_blocked
from runbook.targets.candidate import Candidate
from runbook.targets.redirects import unsigned
from runbook.targets.sources.source import Source, Through

#: Seconds after the deadline in which a source may still end.
_GRACE = 0.3
_KEPT_OFF = "(kept off the record)"


class Record(Recorder, ExchangeRecorder, Protocol):
    """A recorder of commands and HTTP exchanges: the incident."""


@dataclass
class Answer:
    """The answer of a source: its candidates, remarks on what it left out, and `down`, the error that ended it."""

    source: str
    found: list[Candidate] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    down: str = ""


def ask_all(
    sources: Sequence[Source],
    record: Record,
    connect: Callable[["Held"], tuple[HttpClient, Host]],
    deadline: float,
) -> list[Answer]:
    """Ask all sources at once, each for `deadline` seconds. `connect` returns a client and a host with that recorder.

    When all have ended, their requests are recorded in the order of the sources, without the answers: logs may contain
    secrets.
    """
    asked = [_Asked(source) for source in sources]
    began = time.monotonic()
    with signals_blocked():
        for each in asked:
            http, host = connect(each.held)
            threading.Thread(target=each.ask, args=(Through(http, host, deadline),), daemon=True).start()
    for each in asked:
        each.ended.wait(max(began + deadline + _GRACE - time.monotonic(), 0))
    return [each.told(record, deadline) for each in asked]


class Held:
    """A buffer for the requests of one source until it ends. Later requests are not recorded."""

    def __init__(self) -> None:
        self._calls: list[Callable[[Record], None]] = []
        self._lock = threading.Lock()
        self._closed = False

    def _hold(self, call: Callable[[Record], None]) -> None:
        with self._lock:
            if not self._closed:
                self._calls.append(call)

    def tell(self, record: Record) -> None:
        """Pass everything to `record`, and accept no more."""
        with self._lock:
            self._closed = True
        for call in self._calls:
            call(record)

    def command_began(self, command: Command, begun: Begun) -> None:
        """Do nothing: sources only run commands that read."""

    def command_progressed(self, command: Command, line: str) -> None:
        """Do nothing."""

    def command_ended(self, completed: Completed) -> None:
        """Buffer a command that ended."""
        self._hold(lambda record: record.command_ended(completed))

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Buffer a command that was stopped."""
        self._hold(lambda record: record.command_stopped(command, why, at_large=at_large))

    def engine_asked(self, request: EngineRequest) -> None:
        """Buffer a request to the engine."""
        self._hold(lambda record: record.engine_asked(request))

    def files_looked_at(self, look: FileLook) -> None:
        """Buffer a look at files."""
        self._hold(lambda record: record.files_looked_at(look))

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Buffer an exchange without its answer, and without the query of its URL: a signed URL is a secret."""
        kept = answer if isinstance(answer, str) else replace(answer, body=_KEPT_OFF, content=b"")
        self._hold(lambda record: record.exchanged(method, url.partition("?")[0], sent, kept))


class _Asked:
    """A query to one source, in its own thread."""

    def __init__(self, source: Source) -> None:
        self.held = Held()
        self.ended = threading.Event()
        self._source = source
        self._found: list[Candidate] = []
        self._down = ""

    def ask(self, through: Through) -> None:
        try:
            for candidate in self._source.candidates(through):
                self._found.append(candidate)
        except RunbookError as error:
            self._down = unsigned(error.seen)
        except Exception as error:  # noqa: BLE001 - an unexpected answer must not stop a rollback
            self._down = f"its answer cannot be read ({type(error).__name__})"
        self.ended.set()
        through.http.close()

    def told(self, record: Record, deadline: float) -> Answer:
        ended = self.ended.is_set()
        self.held.tell(record)
        down = self._down if ended else f"it did not answer within {deadline:g} s"
        return Answer(self._source.name, list(self._found), [unsigned(each) for each in self._source.remarks], down)
