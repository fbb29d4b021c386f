"""A call with a deadline: its result, its error, and that it is abandoned in time."""

import threading
import time

import pytest

from runbook.hosts.in_time import within


def test_what_comes_of_it() -> None:
    """The call's result is returned and its own error is raised, even a TimeoutError."""

    def fail() -> None:
        raise TimeoutError("its own")

    assert within(5, lambda: 7) == 7
    with pytest.raises(TimeoutError, match="its own"):
        within(5, fail)


def test_it_is_left_behind_at_its_deadline() -> None:
    """A call that takes longer is abandoned at its deadline."""
    go_on = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not complete after 0\.1 s"):
        within(0.1, lambda: go_on.wait(60))
    assert time.monotonic() - began < 30
    go_on.set()
