"""Calls that may never return: each runs in a thread, which is abandoned at the deadline."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from runbook.hosts.signals import signals_blocked

_Found = TypeVar("_Found")


def within(seconds: float, call: Callable[[], _Found]) -> _Found:
    """Return what `call` returns, or raise what it raises.

    Raises TimeoutError when it takes longer than `seconds`, and OSError when the machine has no thread left.

    A library's timeout is per read: a server that sends its answer byte by byte never reaches it.
    """
    ended: Future[_Found] = Future()

    def work() -> None:
        try:
            ended.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised again by `result`
            ended.set_exception(error)

    try:
        with signals_blocked():
            threading.Thread(target=work, name="call with a deadline", daemon=True).start()
    except RuntimeError as error:
        raise OSError(str(error)) from None
    try:
        return ended.result(seconds)
    except TimeoutError:
        if ended.done():
            raise
        raise TimeoutError(f"the answer was not complete after {seconds:g} s") from None
