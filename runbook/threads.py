"""Threads beside the main one: they hear no signal, so that what holds signals back in the main one really does."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back from this thread, and for good from the threads that are started meanwhile.

    A signal may be delivered to any thread that lets it in, and Python then raises in the main one, whatever that one
    holds back. Processes inherit this too: start none in here.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
