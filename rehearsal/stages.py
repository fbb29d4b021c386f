"""Progress: one line a stage, with the seconds since the beginning."""

import threading
import time
from collections.abc import Callable

Say = Callable[[str], None]


class Stages:
    """Says what stage was reached and when. Several threads may use one."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """Say one line, as in `  3.2 s  the registry answers`."""
        with self._lock:
            self._say(f"{time.monotonic() - self._began:5.1f} s  {text}")
