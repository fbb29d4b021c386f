"""What was seen of production a moment ago, and what Compose made of files that are still the same."""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

_Found = TypeVar("_Found")

#: Seconds for which what was seen counts within one look.
_MOMENT = 5.0
_MOST = 64  # answers that are kept by their files


class Remembered:
    """Answers that need not be asked for twice. It forgets by itself, and keeps nothing unless it is told to."""

    def __init__(self) -> None:
        #: Whether who uses this calls `forget` where a look begins; without that nothing is kept of production.
        self.within_looks = False
        self._seen: dict[Hashable, tuple[float, Any]] = {}
        self._made: dict[Hashable, Any] = {}

    def forget(self) -> None:
        """Forget what was seen: another look begins, or something was changed."""
        self._seen.clear()

    def seen(self, key: Hashable, look: Callable[[], _Found]) -> _Found:
        """Return what `look` sees; within one look, and for a moment, what it saw before."""
        if not self.within_looks:
            return look()
        at, found = self._seen.get(key, (float("-inf"), None))
        if time.monotonic() - at > _MOMENT:
            at, found = time.monotonic(), look()
            self._seen[key] = at, found
        kept: _Found = found
        return kept

    def made(self, key: Hashable, content: Callable[[], str | None], make: Callable[[], _Found]) -> _Found:
        """Return what `make` makes of files whose `content` is the same as before; None means that it is not known.

        What is made while the content changes is not kept.
        """
        before = content()
        if before is not None and (key, before) in self._made:
            kept: _Found = self._made[key, before]
            return kept
        found = make()
        if before is not None and content() == before:
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key, before] = found
        return found
