"""A cache of production's state for a moment, and of Compose's answers for unchanged files."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from runbook.hosts.command import Completed

_Found = TypeVar("_Found")

#: Seconds for which a result counts, within one look or, if nothing can have changed, beyond it.
_MOMENT = 5.0
_MOST = 64  # maximum of cached answers for files


class Remembered:
    """A cache of answers. Results expire, and by default no state of production is cached.

    A look is one pass over production; `forget` begins the next. Thread-safe: of two concurrent calls for the same
    answer, one asks and the other waits for it.
    """

    def __init__(self) -> None:
        #: Whether the user of this cache calls `forget` at the start of a look. If not, `seen` caches nothing.
        self.within_looks = False
        #: Whether the engine would have reported any change since a moment of `time.monotonic`, and reported none.
        self.unchanged_since: Callable[[float], bool] = lambda _moment: False
        self._look = 0
        self._seen: dict[Hashable, tuple[float, int, Any]] = {}
        self._made: dict[Hashable, Completed] = {}
        #: The keys of `_made` whose answers are not recorded yet.
        self._untold: set[Hashable] = set()
        self._asking: dict[Hashable, threading.RLock] = {}

    def forget(self) -> None:
        """Forget the results of `seen`: another look begins, or something was changed."""
        self._look += 1

    def seen(self, key: Hashable, look: Callable[[], _Found], *, told_by_engine: bool = False) -> _Found:
        """Return the result of `look`, or its earlier result from the same look, at most `_MOMENT` seconds old.

        With `told_by_engine`, for state whose changes the engine reports, an earlier result of that age counts in
        other looks too if the engine has reported no change since.
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
        """Return the answer of `ask`, cached as long as the `content` of its files is the same.

        `what` is the question and its files. If their content is unknown (None), the answer is cached as by `seen`. An
        answer is not cached if the content changed meanwhile. A cached answer that is not recorded yet is passed to
        `tell`.
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
        """Take over the answers of `other` for files, as not recorded yet."""
        known = other._made  # noqa: SLF001 - same class
        self._made |= known
        self._untold |= known.keys()

    def _one_asks(self, key: Hashable) -> threading.RLock:
        return self._asking.setdefault(key, threading.RLock())
