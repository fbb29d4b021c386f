"""Signal masks of threads: only the main thread takes signals, so that blocking them there really blocks them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}
#: Held by the main thread while it blocks signals, and by another thread while it has them unblocked.
_GATE = threading.RLock()
_PATIENCE = 2.0  # seconds


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block signals in this thread within the block, and permanently in threads that are started within it.

    The kernel gives a signal to any thread that does not block it, and Python then raises in the main thread. Therefore
    no command starts while the main thread is in the block (`signals_unblocked` waits). Do not wait for a command in
    the block.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if main:
            _GATE.acquire(timeout=_PATIENCE)
            # This call raises for a signal that another thread has already taken.
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
        yield
    finally:
        if main:
            # Does not depend on the result of acquire(): an exception may come before it is stored.
            with suppress(RuntimeError):
                _GATE.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_unblocked() -> Iterator[None]:
    """Unblock signals in a thread while it starts a process, which inherits the mask.

    `preexec_fn` could do the same, but may hang. Waits while the main thread blocks signals, at most 2 s, because a
    command must start in the end.
    """
    shut_out = _GATE.acquire(timeout=_PATIENCE)
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if shut_out:
            _GATE.release()
