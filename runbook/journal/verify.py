"""Whether a journal is as it was written: the first bad entry, why, and which entries can be believed."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from runbook.errors import JournalError
from runbook.journal.hash_chain import FIRST_PREVIOUS, FORMAT, Entry, Line, line_of

#: Longer than any line that the runbook writes, in bytes.
LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Verified:
    """What `verify` found: the entries that can be believed, the head's hash, and what is wrong, if anything."""

    entries: tuple[Entry, ...]
    head: str
    #: The line of the first bad entry, and why; None for a whole journal.
    problem: str | None
    #: The journal ends too early and nothing else is wrong: the run was killed, is at work, or the tail was cut.
    broken_off: bool = False
    #: How many bytes can be believed.
    size: int = 0

    @property
    def whole(self) -> bool:
        """Every line is as it was written, to the closing entry."""
        return self.problem is None

    def entry_of(self, head: str) -> int | None:
        """The number of the entry with that hash, if it is among those that can be believed."""
        return next((int(entry["seq"]) for entry in self.entries if entry["sha256"] == head), None)


@dataclass(frozen=True)
class _Fault:
    why: str
    broken_off: bool = False
    #: The entry above may be the one that was rewritten, so it is not believed either.
    above: bool = False


_EMPTY = _Fault("the journal is empty", broken_off=True)
_UNCLOSED = _Fault("is the last and is not the closing entry: the tail was cut, or the run was killed", broken_off=True)
_CUT = _Fault("ends without a line break: it was cut, or was being written when the run died", broken_off=True)
_CHANGED = _Fault("was changed after it was written, or was put in: its hash does not fit its content")
_BEHIND = _Fault("stands behind the closing entry and begins no resumed run: it was put in, or was changed")
_PLACE = "does not follow the line above it: "


def verify(path: Path) -> Verified:
    """Read the journal at `path` and check every byte of it.

    Raises JournalError only when the file cannot be read at all, or is of a newer format.
    """
    with _opened(path) as file:
        return check(path, file)


def verify_now(path: Path) -> tuple[Verified, bool]:
    """What `verify` finds, and whether the journal has no end because a run is writing it at this moment."""
    with _opened(path) as file:
        found = check(path, file)
        if not found.broken_off:
            return found, False
        if _is_written(file):
            return found, True
    # It may have been closed since it was read.
    return verify(path), False


def check(path: Path, file: BinaryIO) -> Verified:
    """Check what `file` holds, the journal at `path` or a beginning of it. Raises JournalError for a newer format."""
    entries: list[Entry] = []
    ends = [(FIRST_PREVIOUS, 0)]  # hash and size of the first 0, 1, … entries
    fault = None
    while data := file.readline(LONGEST_LINE):
        line = line_of(data)
        if not entries:
            _refuse_newer(path, line.entry)
        fault = _fault(line, entries, ends[-1][0])
        if fault or line.entry is None:
            break
        entries.append(line.entry)
        ends.append((line.digest, ends[-1][1] + len(data)))
    number = len(entries)
    if fault is None and not entries:
        return Verified((), FIRST_PREVIOUS, _EMPTY.why, _EMPTY.broken_off)
    if fault is None and entries[-1]["kind"] != "closed":
        fault, number = _UNCLOSED, number - 1
    if fault is None:
        return Verified(tuple(entries), ends[-1][0], None, size=ends[-1][1])
    believed = max(0, len(entries) - fault.above)
    head, size = ends[believed]
    problem = f"line {number + 1}: {fault.why}"
    return Verified(tuple(entries[:believed]), head, problem, fault.broken_off, size)


def _fault(line: Line, above: list[Entry], previous: str) -> _Fault | None:
    number, entry = len(above), line.entry
    if above and above[-1]["kind"] == "closed" and not _resumes(line.data, number):
        return _BEHIND
    if not line.ended and len(line.data) < LONGEST_LINE:
        return _CUT
    if entry is None:
        return _CHANGED
    if entry["seq"] != number:
        why = f"says that it is entry {entry['seq']}: lines were removed, moved or put in"
        return _Fault(f"{_PLACE}it {why}", above=entry["seq"] < number)
    if entry["previous"] != previous:
        return _Fault(f"{_PLACE}one of the two was rewritten, hash and all, or put in", above=True)
    return None


def _resumes(data: bytes, number: int) -> bool:
    """Tell whether a line, or as much of it as is there, begins as a `resumed` entry with that number."""
    begins, kind = b'{"seq":%d,"time":"' % number, data.partition(b'"kind":"')[2][:8]
    return data[: len(begins)] == begins[: len(data)] and b'resumed"'.startswith(kind)


def _refuse_newer(path: Path, opened: Entry | None) -> None:
    # The first line is sealed in the same way in every format, so an edited one is not taken for a newer one.
    number = FORMAT if opened is None else opened.get("format", FORMAT)
    if not isinstance(number, int) or number > FORMAT:
        raise JournalError(
            f"the journal {path} is of format {number!r}, and this version of the runbook reads formats up to {FORMAT}",
            "use the version that wrote it (its first line names it), or a newer one",
        )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its other end
        with open(handle, "rb") as file:  # noqa: PTH123 - a handle has no path
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise JournalError(f"the journal {path} cannot be read (it is no plain file)", "check the path")
            yield file
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read ({error.strerror})", "check the path") from error


def _is_written(file: BinaryIO) -> bool:
    """Tell whether a run holds the journal's lock (journal.py)."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
