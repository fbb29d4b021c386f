"""What Ctrl-C, SIGTERM, SIGHUP and a step's deadline do; once the record is being closed, nothing interrupts."""

import contextlib
import os
import signal
from types import FrameType
from typing import Any

from runbook.errors import StepTimedOut

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class Signals:
    """Turns the first signal into a KeyboardInterrupt, which pytest and we both know how to end on.

    A second Ctrl-C, pressed because nothing seems to happen, must not cut off what says in which state production is.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._closing = False
        self._deadline = 0.0
        #: The open step came to its deadline; it stays so, whoever caught what was raised.
        self.late: StepTimedOut | None = None
        self._clock_was: Any = None

    def install(self) -> None:
        """Take the signals over for this process."""
        for number in _NAMES:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                signal.signal(number, self._handle)

    def step_began(self, deadline: float) -> None:
        """End the step that begins with StepTimedOut when it takes longer than `deadline` seconds.

        A process has one such clock: where a plugin (pytest-timeout) runs it already, its deadline holds.
        """
        self.late = None
        if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
            return
        self._deadline = deadline
        self._clock_was = signal.signal(signal.SIGALRM, self._step_is_late)
        signal.setitimer(signal.ITIMER_REAL, deadline)

    def step_ended(self) -> None:
        """Stop the clock, if it is ours."""
        if self._clock_was is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._clock_was)
            self._clock_was = None

    def close(self) -> None:
        """From here on nothing interrupts: the record is closed, and production looked at."""
        self._closing = True
        self.step_ended()

    def _step_is_late(self, _number: int, _frame: FrameType | None) -> None:
        if not self._closing:
            self.late = StepTimedOut(
                f"the step did not end within {self._deadline:g} s",
                "look at the production host, or raise deadlines.step",
            )
            raise self.late

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        name = _NAMES[signal.Signals(number)]
        if self.received or self._closing:
            # Not by print: the terminal may be gone, and what is being printed when it comes must not be disturbed.
            with contextlib.suppress(OSError):
                os.write(2, f"\n{name}: closing the record first; SIGKILL would leave it open\n".encode())
            return
        self.received = name
        raise KeyboardInterrupt(f"stopped by {name}")
