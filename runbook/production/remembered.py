"""What was seen of production a moment ago, and what Compose made of files that are still the same."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from runbook.hosts.command import Completed

_Found = TypeVar("_Found")

#: Seconds for which what was seen counts within one look, and beyond it where nothing can have changed.
_MOMENT = 5.0
_MOST = 64  # answers that are kept by their files


class Remembered:
    """Answers that need not be asked for twice. It forgets by itself, and keeps nothing unless it is told to.

    Thread-safe: of two looks at the same time that need the same, one asks, and the other waits for it.
    """

    def __init__(self) -> None:
        #: Whether who uses this calls `forget` where a look begins; without that nothing is kept of production.
        self.within_looks = False
        #: Whether the engine would have told of a change since a moment of `time.monotonic`, and told of none.
        self.unchanged_since: Callable[[float], bool] = lambda _moment: False
        self._look = 0
        self._seen: dict[Hashable, tuple[float, int, Any]] = {}
        self._made: dict[Hashable, Completed] = {}
        #: Those of `_made` that are on no record yet.
        self._untold: set[Hashable] = set()
        self._asking: dict[Hashable, threading.RLock] = {}

    def forget(self) -> None:
        """Forget what was seen: another look begins, or something was changed."""
        self._look += 1

    def seen(self, key: Hashable, look: Callable[[], _Found], *, told_by_engine: bool = False) -> _Found:
        """Return what `look` sees; within one look, and for a moment, what it saw before.

        What the engine tells every change of (`told_by_engine`) counts for that moment in other looks too, as long as
        it told of none.
        """
        if not self.within_looks:
            return look()
        with self._one_asks(key):
            at, when, found = self._seen.get(key, (float("-inf"), 0, None))
            now, this = time.monotonic(), self._look
            counts = when == this or (told_by_engine and self.unchanged_since(at))
            if now - at > _MOMENT or not counts:
                found = look()
                self._seen[key] = now, this, found
        kept: _Found = found
        return kept

    def made(
        self,
        what: tuple[Hashable, Hashable],
        content: Callable[[], str | None],
        ask: Callable[[], Completed],
        tell: Callable[[Completed], None],
    ) -> Completed:
        """Return what was answered to `ask` for files whose `content` is the same as before.

        `what` is the question, and the files that it is about: where their content is not known (None), the answer
        counts within one look. What is answered while the content changes is not kept. An answer that is on no record
        yet is handed to `tell`.
        """
        before = content()
        if before is None:
            return self.seen(what, ask)
        key = what[0], before
        with self._one_asks(key):
            if (found := self._made.get(key)) is not None:
                if key in self._untold:
                    self._untold.discard(key)
                    tell(found)
                return found
            found = ask()
            if content() == before:
                if len(self._made) >= _MOST:
                    self._made.clear()
                self._made[key] = found
        return found

    def take_over(self, other: "Remembered") -> None:
        """Know what `other` was told for files, off the record."""
        known = other._made  # noqa: SLF001 - of its own kind
        self._made |= known
        self._untold |= known.keys()

    def _one_asks(self, key: Hashable) -> threading.RLock:
        return self._asking.setdefault(key, threading.RLock())
