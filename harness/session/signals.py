"""Ctrl-C, SIGTERM, SIGHUP and a step's deadline. While the record is being closed, none of them interrupts."""

import contextlib
import os
import signal
from types import FrameType
from typing import Any

from runbook.errors import StepTimedOut

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class Signals:
    """Turns the first signal into a KeyboardInterrupt, which pytest and the harness handle.

    A second Ctrl-C, from an impatient user, must not cut off the lines that tell the state of production.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._closing = False
        self._deadline = 0.0
        #: Set when the open step reaches its deadline. It stays set even if the exception was caught.
        self.late: StepTimedOut | None = None
        self._clock_was: Any = None

    def install(self) -> None:
        """Install the handlers for this process."""
        for number in _NAMES:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup must keep its effect
                signal.signal(number, self._handle)

    def step_began(self, deadline: float) -> None:
        """Raise StepTimedOut in the step that begins if it takes longer than `deadline` seconds.

        A process has one such timer: if a plugin (pytest-timeout) uses it already, the plugin's deadline applies.
        """
        self.late = None
        if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
            return
        self._deadline = deadline
        self._clock_was = signal.signal(signal.SIGALRM, self._step_is_late)
        signal.setitimer(signal.ITIMER_REAL, deadline)

    def step_ended(self) -> None:
        """Stop the timer if it was set here."""
        if self._clock_was is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._clock_was)
            self._clock_was = None

    def close(self) -> None:
        """Block all interruptions from here on, while the record is closed and production is looked at."""
        self._closing = True
        self.step_ended()

    def _step_is_late(self, _number: int, _frame: FrameType | None) -> None:
        if not self._closing:
            self.late = StepTimedOut(
                f"the step did not end within {self._deadline:g} s",
                "check the production host, or raise deadlines.step",
            )
            raise self.late

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        name = _NAMES[signal.Signals(number)]
        if self.received or self._closing:
            # Not with print: the terminal may be gone, and a signal may arrive in the middle of a print.
            with contextlib.suppress(OSError):
                os.write(2, f"\n{name}: closing the record first (SIGKILL would leave it open)\n".encode())
            return
        self.received = name
        raise KeyboardInterrupt(f"stopped by {name}")
