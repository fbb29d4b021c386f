"""Looks that are made ahead, at the same time: what they did goes on record in the step that they are for."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from runbook.actions import Check
from runbook.hosts.command import Begun, Command, Completed
from runbook.hosts.engine.request import EngineRequest
from runbook.hosts.files.look import FileLook
from runbook.hosts.http import HttpResponse
from runbook.hosts.signals import signals_blocked
from runbook.journal.journal import Journal
from runbook.journal.recorder import Recorder
from runbook.polling import Waited, wait_for


class LooksAhead:
    """Checks that are looked at in threads of their own, until each one's step asks what came of it."""

    def __init__(self) -> None:
        self._begun: dict[str, _Look] = {}
        self._here = threading.local()

    def begin(self, checks: Iterable[Check], patience: float) -> None:
        """Begin to look at each of `checks`; `patience` in seconds is that of `wait_for`.

        No two of them may expect the same.
        """
        with signals_blocked():
            for check in checks:
                look = _Look(check, patience, self._here)
                with suppress(RuntimeError):  # the machine has no thread left: its step looks by itself
                    look.start()
                    self._begun[check.expected] = look

    def waited(self, check: Check) -> Waited | None:
        """Wait for the look at what `check` expects, and put on record what it did; None if it was not begun.

        Raises what the look has raised.
        """
        look = self._begun.pop(check.expected, None)
        return look.result() if look else None

    @property
    def under_way(self) -> bool:
        """Tell whether this thread is one that looks ahead."""
        return getattr(self._here, "held", None) is not None

    def holds(self, call: Callable[[], None]) -> bool:
        """Hold what puts something on record until the step of this thread's look; False in any other thread."""
        held: list[Callable[[], None]] | None = getattr(self._here, "held", None)
        if held is None:
            return False
        held.append(call)
        return True


class _Look:
    """One look. Its thread does not hold up the end of a run: it only reads."""

    def __init__(self, check: Check, patience: float, here: threading.local) -> None:
        self._check = check
        self._patience = patience
        self._here = here
        self._ended = threading.Event()
        self._held: list[Callable[[], None]] = []
        self._waited: Waited | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=self._look, name="look ahead", daemon=True).start()

    def _look(self) -> None:
        self._here.held = self._held
        try:
            self._waited = wait_for(self._check, patience=self._patience)
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
        finally:
            self._ended.set()

    def result(self) -> Waited | None:
        self._ended.wait()
        for call in self._held:
            call()
        if self._error is not None:
            raise self._error
        return self._waited


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
        if not self.ahead.holds(partial(super().command_ended, completed)):
            super().command_ended(completed)

    def command_stopped(self, command: Command, why: str, *, at_large: bool = False) -> None:
        """Record a command that did not end by itself, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(super().command_stopped, command, why, at_large=at_large)):
            super().command_stopped(command, why, at_large=at_large)

    def engine_asked(self, request: EngineRequest) -> None:
        """Record a request to the engine, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(super().engine_asked, request)):
            super().engine_asked(request)

    def files_looked_at(self, look: FileLook) -> None:
        """Record a look at files, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(super().files_looked_at, look)):
            super().files_looked_at(look)

    def exchanged(self, method: str, url: str, sent: Any, answer: HttpResponse | str) -> None:
        """Record an HTTP exchange, one of a look ahead in its own step."""
        if not self.ahead.holds(partial(super().exchanged, method, url, sent, answer)):
            super().exchanged(method, url, sent, answer)
