"""Threads beside the main one: they hear no signal, so that what holds signals back in the main one really does."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back from this thread, and for good from the threads that are started meanwhile.

    A signal may be delivered to any thread that lets it in, and Python then raises in the main one, whatever that one
    holds back.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_signals_in() -> None:
    """Let this thread take signals again: a process inherits what the thread that starts it holds back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
