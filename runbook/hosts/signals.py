"""Threads beside the main one: they hear no signal, so that what holds signals back in the main one really does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}
#: Held by the main thread while it holds signals back, and by another one while it lets them in: never both at once.
_GATE = threading.RLock()
_PATIENCE = 2.0  # seconds


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Hold signals back from this thread, and for good from the threads that are started meanwhile.

    A signal may be delivered to any thread that lets it in, and Python then raises in the main one, whatever that one
    holds back. So no command begins meanwhile, and none should be waited for in here.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if main:
            _GATE.acquire(timeout=_PATIENCE)
            # What came to another thread until now is raised by this call, and not later.
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
        yield
    finally:
        if main:
            # Not by what acquire() returned: an exception may come before that is noted, and the gate stays shut.
            with suppress(RuntimeError):
                _GATE.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_unblocked() -> Iterator[None]:
    """Let a thread beside the main one take signals, for as long as it takes to start a process and no longer.

    A process inherits what the thread that starts it holds back, and Python has no safe way to change that in the
    child alone (`preexec_fn` may hang where there are threads). Waits while the main thread holds signals back, but
    not for ever: a signal at a bad moment is a smaller harm than a command that never begins.
    """
    shut_out = _GATE.acquire(timeout=_PATIENCE)
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if shut_out:
            _GATE.release()
