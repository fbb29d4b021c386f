"""A real terminal for a run: a pseudo-terminal whose other end the test reads."""

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
    """Return the final lines of a terminal of unlimited height. Only the live view's cursor movements are known."""
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
    """A run of pytest on a terminal, and all of its output so far."""

    def __init__(self, exit_code: Future[int], controller: int) -> None:
        self.written = ""
        self._exit_code = exit_code
        self._controller = controller

    @property
    def text(self) -> str:
        """The output without colours and cursor movements."""
        return _ESCAPE.sub("", self.written)

    def until(self, words: str) -> str:
        """Read until `words` are in the output. Return all output so far."""
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
        with contextlib.suppress(OSError):  # Linux reports a closed other end as an error
            data = os.read(self._controller, 65536) if readable else b""
            self.written += data.decode("utf-8", errors="replace")
            return bool(data)
        return False


@contextlib.contextmanager
def on_terminal(
    runbook: Runbook, *arguments: str, columns: int = 100, environment: dict[str, str] | None = None
) -> Iterator[Terminal]:
    """Run `pytest` with these arguments on a terminal of 24 lines. It is killed if it still runs at the end."""
    more = {"TERM": "xterm-256color"} | (environment or {})
    with forked(partial(runbook.fork, "--allow-unused", *arguments, environment=more), columns) as terminal:
        yield terminal


@contextlib.contextmanager
def forked(fork: Callable[..., int], columns: int) -> Iterator[Terminal]:
    """Call `fork` with a terminal of 24 lines. The process is killed if it still runs at the end."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    started: SimpleQueue[int] = SimpleQueue()
    with ThreadPoolExecutor(1) as beside:
        exit_code = beside.submit(fork, meanwhile=started.put, terminal=os.ttyname(terminal))
        # Keep it open until the run has ended: at the first read the run may not have opened it yet.
        exit_code.add_done_callback(lambda _ended: os.close(terminal))
        process = started.get(timeout=DEADLINE)
        try:
            yield Terminal(exit_code, controller)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            exit_code.result(DEADLINE)
            os.close(controller)
