"""Threads beside the main one: they hear no signal, so that what holds signals back in the main one really does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}
#: Held by the main thread while it holds signals back, and by another one while it lets them in: never both at once.
_GATE = threading.RLock()


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back from this thread, and for good from the threads that are started meanwhile.

    A signal may be delivered to any thread that lets it in, and Python then raises in the main one, whatever that one
    holds back. So no command begins meanwhile, and none may be waited for in here.
    """
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(_GATE)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            # After the gate: what came to another thread until now is raised by this call, and not later.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_let_in() -> Iterator[None]:
    """Let a thread beside the main one take signals, for as long as it takes to start a process and no longer.

    A process inherits what the thread that starts it holds back, and Python has no safe way to change that in the
    child alone (`preexec_fn` may hang where there are threads). Waits while the main thread holds signals back.
    """
    with _GATE:
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
