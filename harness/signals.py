"""What Ctrl-C, SIGTERM and SIGHUP do: the first one ends the run, later ones wait until the record is closed."""

import signal
import sys
from types import FrameType

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class Signals:
    """Turns the first signal into a KeyboardInterrupt, which pytest and we both know how to end on.

    A second Ctrl-C, pressed because nothing seems to happen, must not cut off what says in which state production is.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self.closing = False

    def install(self) -> None:
        """Take the signals over for this process."""
        for number in _NAMES:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        name = _NAMES[signal.Signals(number)]
        if self.received or self.closing:
            print(f"\n{name}: closing the record first; SIGKILL would leave it open", file=sys.stderr)  # noqa: T201 - said at once
            return
        self.received = name
        raise KeyboardInterrupt(f"stopped by {name}")
