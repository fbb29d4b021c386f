"""Signals in threads: only the main thread takes them, so that blocking them there really blocks them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}
#: Held by the main thread while it blocks signals, and by another thread while it unblocks them.
_GATE = threading.RLock()
_PATIENCE = 2.0  # seconds


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block signals in this thread within the block, and for good in threads that are started within it.

    A signal goes to any thread that does not block it, and Python then raises in the main one. So no command is started
    meanwhile, and none should be waited for in the block.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if main:
            _GATE.acquire(timeout=_PATIENCE)
            # A signal that another thread took until now is raised by this call.
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
        yield
    finally:
        if main:
            # Whatever acquire() returned: an exception may come before that is stored.
            with suppress(RuntimeError):
                _GATE.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_unblocked() -> Iterator[None]:
    """Unblock signals in a thread while it starts a process, which inherits the mask (`preexec_fn` may hang).

    Waits while the main thread blocks signals, but at most 2 s: a command must start at last.
    """
    shut_out = _GATE.acquire(timeout=_PATIENCE)
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if shut_out:
            _GATE.release()
