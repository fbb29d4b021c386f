"""Announcements in the background: a thread sends the messages, and the result of each is recorded."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from runbook.errors import JournalError, RunbookError
from runbook.hosts.signals import signals_blocked
from runbook.journal.journal import Journal
from runbook.notify.announcement import Channel
from runbook.notify.telling import Told
from runbook.settings.people import Turn

#: Seconds for which sending is retried during the run, and the pause after the first attempt, which doubles each time.
_TRIED_FOR, _FIRST_PAUSE = 60.0, 1.0


@dataclass(frozen=True)
class _Letter:
    turn: Turn
    about: str
    told: Told
    until: float


class Teller:
    """The messages of one run. No method raises. Only `wait_until_sent` and `settle` wait."""

    def __init__(self, journal: Journal, open_channel: Callable[[], Channel]) -> None:
        self._journal = journal
        self._open_channel = open_channel
        self._channel: Channel | None = None
        self._letters: queue.SimpleQueue[_Letter | None] = queue.SimpleQueue()
        self._unsettled: list[_Letter] = []
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="teller", daemon=True)

    def tell(self, turn: Turn, about: str, told: Told) -> None:
        """Send a message in the background. `about` distinguishes it from others of the same turn."""
        letter = _Letter(turn, about, told, time.monotonic() + _TRIED_FOR)
        more = {"problem": told.problem} if told.problem else {}
        self._write(letter, "begun", title=told.title, text=told.text, **more)
        with self._lock:
            self._unsettled.append(letter)
        self._letters.put(letter)
        if self._thread.ident is None:
            with signals_blocked():
                self._thread.start()

    def wait_until_sent(self, seconds: float) -> None:
        """Wait, at most `seconds`, until all messages have ended, so that the next one comes after them."""
        with self._settled:
            self._settled.wait_for(lambda: not self._unsettled, seconds)

    def settle(self, seconds: float) -> None:
        """Let each unsent message be tried once more, for at most `seconds` in total, and end the thread."""
        self._ending.set()
        self._letters.put(None)
        if self._thread.ident is not None:
            self._thread.join(seconds)
        with self._lock:
            left = list(self._unsettled)
        for letter in left:
            self._ended(letter, "failed", why=f"not sent when the run ended, {seconds:g} s later")

    # -- in the thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (letter := self._letters.get()) is not None:
            pause = _FIRST_PAUSE
            while (why := self._try(letter)) and not self._ending.is_set() and time.monotonic() + pause < letter.until:
                self._ending.wait(pause)
                pause *= 2
            if why:
                self._ended(letter, "failed", why=why)

    def _try(self, letter: _Letter) -> str:
        """Send the message. Return the error in words; empty on success."""
        try:
            self._channel = self._channel or self._open_channel()
            receipt = self._channel.send(letter.turn, letter.told.title, letter.told.text)
        except RunbookError as error:
            return error.seen
        except Exception as error:  # noqa: BLE001 - any error is recorded, and the run continues
            return f"{type(error).__name__}: {error}"
        self._ended(letter, "done", receipt=receipt)
        return ""

    def _ended(self, letter: _Letter, state: str, **facts: str) -> None:
        with self._lock:
            if letter not in self._unsettled:
                return  # already given up
            self._unsettled.remove(letter)
            self._settled.notify_all()
            # Under the lock: `settle` takes it too, and the journal is closed after `settle`.
            self._write(letter, state, **facts)

    def _write(self, letter: _Letter, state: str, **facts: str) -> None:
        with contextlib.suppress(JournalError):  # the next writer raises it
            self._journal.write(
                "told", turn=letter.turn, about=letter.about, state=state, sync=state == "begun", **facts
            )
