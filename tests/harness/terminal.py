"""A real terminal for a run: a pseudo-terminal whose other end is read by the test."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

from tests.harness.inner import DEADLINE, Runbook

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def screen_after(written: str) -> list[str]:
    """The lines that a terminal of any height shows in the end; knows the few movements that a live view makes."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece == "\r":
            column = 0
        elif piece.endswith("A"):
            row -= int(piece[2:-1] or 1)
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif not piece.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + len(piece) :]
            column += len(piece)
        elif not piece.endswith(("m", "h", "l")):
            raise AssertionError(f"a movement that no test knows: {piece!r}")
    return [line.rstrip() for line in lines]


class Terminal:
    """A run of pytest on a terminal, and everything that it wrote there so far."""

    def __init__(self, exit_code: Future[int], controller: int) -> None:
        self.written = ""
        self._exit_code = exit_code
        self._controller = controller

    @property
    def text(self) -> str:
        """What was written, without colours and movements of the cursor."""
        return _ESCAPE.sub("", self.written)

    def until(self, words: str) -> str:
        """Read until those words were written; returns all that was written."""
        end = time.monotonic() + DEADLINE
        while words not in self.text and time.monotonic() < end:
            if not self._read():
                break
        assert words in self.text, self.text[-2000:]
        return self.written

    def finish(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self._exit_code.result(DEADLINE)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._controller, b"\x03")

    def _read(self) -> bool:
        readable, _, _ = select.select([self._controller], [], [], DEADLINE)
        with contextlib.suppress(OSError):  # how Linux says that the other end was closed
            data = os.read(self._controller, 65536) if readable else b""
            self.written += data.decode("utf-8", errors="replace")
            return bool(data)
        return False


@contextlib.contextmanager
def on_terminal(
    runbook: Runbook, *arguments: str, columns: int = 100, environment: dict[str, str] | None = None
) -> Iterator[Terminal]:
    """Run `pytest` with these arguments on a terminal of 24 lines; killed if it has not ended at the end."""
    more = {"TERM": "xterm-256color"} | (environment or {})
    with forked(partial(runbook.fork, "--allow-unused", *arguments, environment=more), columns) as terminal:
        yield terminal


@contextlib.contextmanager
def forked(fork: Callable[..., int], columns: int) -> Iterator[Terminal]:
    """What is forked with a terminal of 24 lines; killed if it has not ended at the end."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    started: SimpleQueue[int] = SimpleQueue()
    with ThreadPoolExecutor(1) as beside:
        exit_code = beside.submit(fork, meanwhile=started.put, terminal=os.ttyname(terminal))
        # Open here until then: the run may not have opened it yet when the first is read.
        exit_code.add_done_callback(lambda _ended: os.close(terminal))
        process = started.get(timeout=DEADLINE)
        try:
            yield Terminal(exit_code, controller)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            exit_code.result(DEADLINE)
            os.close(controller)
