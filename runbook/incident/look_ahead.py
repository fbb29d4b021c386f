"""Looks made ahead of their step, in parallel. Their entries are recorded in the step that takes the result."""

import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar

from runbook.hosts.command import Begun, Command, Completed
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.files.look import FileLook
from runbook.hosts.http import HttpResponse
from runbook.hosts.signals import signals_blocked
from runbook.journal.journal import Journal
from runbook.journal.recorder import Recorder

_Found = TypeVar("_Found")

#: The entries held back by the look ahead in this thread. None: entries are recorded at once.
_HELD: ContextVar[list[Callable[[], None]] | None] = ContextVar("held", default=None)


class LooksAhead:
    """Looks made in threads, by name, whose results wait until they are taken."""

    def __init__(self) -> None:
        self._begun: dict[Hashable, _Look] = {}

    def begin(self, looks: Mapping[Any, Callable[[], Any]]) -> None:
        """Start these looks, all at the same time."""
        with signals_blocked():
            for what, make in looks.items():
                look = _Look(make)
                with suppress(RuntimeError):  # no threads left: the step makes the look itself
                    look.start()
                    self._begun[what] = look

    def found(self, what: Hashable, look: Callable[[], _Found]) -> _Found:
        """Wait for the look named `what`, record its entries, and return its result. If none was started, call `look`.

        Raises what the look raised.
        """
        begun = self._begun.pop(what, None)
        if begun is None:
            return look()
        found: _Found = begun.result()
        return found

    def at_once(self, *looks: Callable[[], Any]) -> list[Any]:
        """Make these looks in parallel, and return their results. Their entries are recorded in order.

        Raises the first error.
        """
        named = {object(): look for look in looks}
        self.begin(named)
        found: list[Any] = []
        errors: list[BaseException] = []
        for name, look in named.items():
            try:
                found.append(self.found(name, look))
            except Exception as error:  # noqa: BLE001 - raised once all are recorded
                errors.append(error)
        if errors:
            raise errors[0]
        return found

    @property
    def under_way(self) -> bool:
        """Whether this thread makes a look ahead."""
        return _HELD.get() is not None

    def holds(self, call: Callable[[], None]) -> bool:
        """Hold back `call`, which writes an entry, until the result is taken. Return False outside of a look ahead."""
        held = _HELD.get()
        if held is None:
            return False
        held.append(call)
        return True


class _Look:
    """One look, in a daemon thread: it only reads, so the end of the run need not wait for it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._ended = threading.Event()
        self._held: list[Callable[[], None]] = []
        self._found: Any = None
        self._error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=copy_context().run, args=(self._look,), name="look ahead", daemon=True).start()

    def _look(self) -> None:
        _HELD.set(self._held)
        try:
            self._found = self._make()
        except BaseException as error:  # noqa: BLE001 - raised when the result is taken
            self._error = error
        finally:
            self._ended.set()

    def result(self) -> Any:
        self._ended.wait()
        for call in self._held:
            call()
        if self._error is not None:
            raise self._error
        return self._found


class RecorderOfLooksAhead(Recorder):
    """Records entries at once, and those of a look ahead in the step that takes its result."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        #: The looks that are made while other steps run.
        self.ahead = LooksAhead()

    def command_began(self, command: Command, begun: Begun) -> None:
        """Record that a command began. Of a look ahead, only the end is recorded."""
        if not self.ahead.under_way:
            super().command_began(command, begun)

    def command_progressed(self, command: Command, line: str) -> None:
        """Pass on a line of progress, except from a look ahead."""
        if not self.ahead.under_way:
            super().command_progressed(command, line)

    def command_ended(self, completed: Completed) -> None:
        """Record that a command ended."""
        if not self.ahead.holds(partial(self.command_ended, completed)):
            super().command_ended(completed)

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Record a command that was stopped."""
        if not self.ahead.holds(partial(self.command_stopped, command, why, at_large=at_large)):
            super().command_stopped(command, why, at_large=at_large)

    def engine_asked(self, request: EngineRequest) -> None:
        """Record a request to the engine."""
        if not self.ahead.holds(partial(self.engine_asked, request)):
            super().engine_asked(request)

    def files_looked_at(self, look: FileLook) -> None:
        """Record a look at files."""
        if not self.ahead.holds(partial(self.files_looked_at, look)):
            super().files_looked_at(look)

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Record an HTTP exchange."""
        if not self.ahead.holds(partial(self.exchanged, method, url, sent, answer)):
            super().exchanged(method, url, sent, answer)
