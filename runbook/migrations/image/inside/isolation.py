"""One process per question, so that an image's code can break only the answer to that question.

The code's output is never mistaken for an answer. If the code hangs, exits, forks or is killed, the next question is
asked anyway, and one line says what happened.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import sysconfig
import time
import traceback
from pathlib import Path
from typing import Any, Callable  # noqa: UP035 - Python 3.8 cannot subscript the newer ones

LONGEST_ANSWER = 8 * 1024 * 1024  # bytes
LAST_WORDS = 2000  # bytes
LONGEST_REASON = 400  # characters
_PIECE = 65536  # bytes


class ProbeError(Exception):
    """A reason in plain words, shown without the exception's name."""


class Fatal(ProbeError):
    """A reason why no other question can be answered either."""


def ask(question: Callable[[], Any], seconds: float) -> dict[str, Any]:
    """Return {"answer": …}, or {"why": …} with the reason why there is none.

    With a raised exception, "fatal" says whether it is a Fatal, and "read_only" whether the file system was read-only.
    """
    answers, answers_end = os.pipe()
    words, words_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answers)
        os.close(words)
        _answer(question, answers_end, words_end)
    os.close(answers_end)
    os.close(words_end)
    try:
        return _listen(child, answers, words, time.monotonic() + seconds, seconds)
    finally:
        os.close(answers)
        os.close(words)


def _answer(question: Callable[[], Any], answers: int, words: int) -> None:
    """Answer in the child process. Never returns."""
    try:
        os.setsid()
        myself = os.getpid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, place in ((nothing, 0), (words, 1), (words, 2)):
            os.dup2(source, place)
        try:
            found: dict[str, Any] = {"answer": question()}
        except BaseException as error:  # noqa: BLE001 - SystemExit too: migrations may raise it
            found = {"why": reason(error), "fatal": isinstance(error, Fatal), "read_only": met_read_only(error)}
        if os.getpid() != myself:  # the image's code forked, and this is the copy
            os._exit(0)
        text = json.dumps(found).encode()
        while text:
            text = text[os.write(answers, text) :]
    finally:
        os._exit(0)


def _listen(child: int, answers: int, words: int, until: float, seconds: float) -> dict[str, Any]:
    answer = b""
    printed = b""
    status = None
    open_ends = [answers, words]
    while answers in open_ends and len(answer) <= LONGEST_ANSWER:
        remaining = until - time.monotonic()
        if remaining <= 0:
            break
        ready = select.select(open_ends, [], [], min(remaining, 0.2))[0]
        for end in ready:
            piece = os.read(end, _PIECE)
            if not piece:
                open_ends.remove(end)
            elif end == answers:
                answer += piece
            else:
                printed = (printed + piece)[-LAST_WORDS:]
        # After the child ends, a process that it started may hold the pipes open. The child has written everything.
        if not ready and status is not None:
            break
        status = _ended(child) if status is None else status
    status = _stop(child, status)
    if len(answer) > LONGEST_ANSWER:
        return {"why": f"the answer is longer than {LONGEST_ANSWER >> 20} MiB"}
    try:
        found: dict[str, Any] = json.loads(answer.decode())
    except ValueError:
        return {"why": _how_it_ended(status, until, seconds) + _last_line(printed)}
    return found


def _ended(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return status if pid else None


def _stop(child: int, status: int | None) -> int:
    """Return the process's exit status. Kill it if it is still running, and always kill what it started."""
    patience = time.monotonic() + 0.2  # seconds for a process that has answered to exit
    while status is None and time.monotonic() < patience:
        time.sleep(0.002)
        status = _ended(child)
    for kill in (os.killpg, os.kill) if status is None else (os.killpg,):
        try:
            kill(child, signal.SIGKILL)
        except OSError:
            continue
    return os.waitpid(child, 0)[1] if status is None else status


def _how_it_ended(status: int, until: float, seconds: float) -> str:
    if time.monotonic() >= until:
        return f"it did not end within {seconds:.0f} s"
    if os.WIFSIGNALED(status):
        return f"it was killed by signal {os.WTERMSIG(status)}"
    return f"it exited with code {os.WEXITSTATUS(status)} before it answered"


def _last_line(printed: bytes) -> str:
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    return f"; its last line was: {lines[-1].strip()[:LONGEST_REASON]}" if lines else ""


def reason(error: BaseException) -> str:
    """Return in one line what went wrong, and where in the image's code."""
    words = " ".join(str(error).split())[:LONGEST_REASON]
    if isinstance(error, ProbeError):
        return words
    if isinstance(error, SystemExit):
        words = f"it called sys.exit({error.code!r})"
    else:
        words = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return words + _unreadable(error) + _where(error)


def met_read_only(error: BaseException) -> bool:
    """Return whether an error, or one that caused it, comes from a read-only file system (EROFS)."""
    visited: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in visited:
        if isinstance(cause, OSError) and cause.errno == errno.EROFS:
            return True
        visited.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def _unreadable(error: BaseException) -> str:
    """Return which unreadable folder may hide a module that was not found. Python treats such a folder as empty."""
    if not isinstance(error, ImportError) or not error.name:
        return ""
    for place in sys.path:
        folder = Path(place or ".")
        for part in ("", *error.name.split(".")):
            folder = folder / part
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):  # noqa: PTH112 - never raises
                return f": the image's user {os.getuid()} may not read the folder {folder}"
    return ""


def _where(error: BaseException) -> str:
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = frame.filename
        foreign = any(path.startswith(library + os.sep) for library in libraries) or "-packages" + os.sep in path
        if not foreign and not path.startswith("<"):
            return place(path, frame.lineno or 0)
    return ""


def place(path: str, line: int) -> str:
    """Return a file and line in the image's code, in words."""
    inside = os.path.relpath(path) if path.startswith(f"{Path.cwd()}{os.sep}") else path
    return f" ({inside}, line {line})"


def send(marker: str, found: dict[str, Any]) -> None:
    """Print the report on one line that begins with the caller's marker."""
    line = f"\n{marker} {json.dumps(found)}\n"
    sys.stdout.write(line)
    sys.stdout.flush()
