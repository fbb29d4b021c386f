"""Progress: one line per stage, with the seconds since the beginning."""

import threading
import time
from collections.abc import Callable

Say = Callable[[str], None]


class Stages:
    """Prints each stage as it is reached, with its time. Several threads may share one."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """Print one line, such as `  3.2 s  the registry answers`."""
        with self._lock:
            self._say(f"{time.monotonic() - self._began:5.1f} s  {text}")
