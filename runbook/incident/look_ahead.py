"""Looks that are made ahead, at the same time: what they did goes on record in the step that they are for."""

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

#: What the look ahead that is made here would put on record; None where it goes on record as it happens.
_HELD: ContextVar[list[Callable[[], None]] | None] = ContextVar("held", default=None)


class LooksAhead:
    """Looks that are made in threads of their own, each by the name of what it looks at, until it is asked for."""

    def __init__(self) -> None:
        self._begun: dict[Hashable, _Look] = {}

    def begin(self, looks: Mapping[Any, Callable[[], Any]]) -> None:
        """Begin to make these looks, all at the same time."""
        with signals_blocked():
            for what, make in looks.items():
                look = _Look(make)
                with suppress(RuntimeError):  # the machine has no thread left: who needs it looks by himself
                    look.start()
                    self._begun[what] = look

    def found(self, what: Hashable, look: Callable[[], _Found]) -> _Found:
        """Wait for the look at `what`, and put on record what it did; where none was begun, `look` now.

        Raises what the look has raised.
        """
        begun = self._begun.pop(what, None)
        if begun is None:
            return look()
        found: _Found = begun.result()
        return found

    def at_once(self, *looks: Callable[[], Any]) -> list[Any]:
        """Make these looks at the same time, and return what each found; what they did goes on record in their order.

        Raises what the first of them has raised.
        """
        named = {object(): look for look in looks}
        self.begin(named)
        found: list[Any] = []
        errors: list[BaseException] = []
        for name, look in named.items():
            try:
                found.append(self.found(name, look))
            except Exception as error:  # noqa: BLE001 - raised when all are on record
                errors.append(error)
        if errors:
            raise errors[0]
        return found

    @property
    def under_way(self) -> bool:
        """Tell whether a look ahead is made here."""
        return _HELD.get() is not None

    def holds(self, call: Callable[[], None]) -> bool:
        """Hold what puts something on record until the look that is made here is asked for; False outside of one."""
        held = _HELD.get()
        if held is None:
            return False
        held.append(call)
        return True


class _Look:
    """One look. Its thread does not hold up the end of a run: it only reads."""

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
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
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
    """Records what happens as it happens, and what a look ahead does in its own step."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        #: What is looked at while other steps are under way.
        self.ahead = LooksAhead()

    def command_began(self, command: Command, begun: Begun) -> None:
        """Record that a command began; of a look ahead only how it ended is kept."""
        if not self.ahead.under_way:
            super().command_began(command, begun)

    def command_progressed(self, command: Command, line: str) -> None:
        """Pass on a line of progress, unless it is of a look ahead."""
        if not self.ahead.under_way:
            super().command_progressed(command, line)

    def command_ended(self, completed: Completed) -> None:
        """Record a command that ended, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(self.command_ended, completed)):
            super().command_ended(completed)

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Record a command that did not end by itself, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(self.command_stopped, command, why, at_large=at_large)):
            super().command_stopped(command, why, at_large=at_large)

    def engine_asked(self, request: EngineRequest) -> None:
        """Record a request to the engine, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(self.engine_asked, request)):
            super().engine_asked(request)

    def files_looked_at(self, look: FileLook) -> None:
        """Record a look at files, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(self.files_looked_at, look)):
            super().files_looked_at(look)

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Record an HTTP exchange, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(self.exchanged, method, url, sent, answer)):
            super().exchanged(method, url, sent, answer)
