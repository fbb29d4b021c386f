"""Locks that keep rehearsals and `down` out of each other's way."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rehearsal.errors import RehearsalError
from rehearsal.stages import Stages

LOCK = "lock"  # in a rehearsal's folder; held while it runs
PAUSE = 0.2  # seconds


def try_lock(path: Path) -> IO[str] | None:
    """Take a lock and return the open file, which holds it until closed, or None if another process has it."""
    held = path.open("a")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    return held


@contextmanager
def waiting_for(path: Path, what: str, stages: Stages, *, timeout: float) -> Iterator[None]:
    """Hold a lock inside a with-block. Waits for it up to `timeout` seconds, and says so."""
    deadline = time.monotonic() + timeout
    held = try_lock(path)
    if held is None:
        stages(f"waiting for another rehearsal that {what}")
    while held is None:
        if time.monotonic() > deadline:
            raise RehearsalError(f"another rehearsal still {what} after {timeout:.0f} s; try again when it is done")
        time.sleep(PAUSE)
        held = try_lock(path)
    with held:
        yield
