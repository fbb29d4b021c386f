"""Check that a journal is unchanged: its valid entries, and the first bad line and why."""

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

#: In bytes. The runbook never writes a line this long.
LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Verified:
    """The result of `verify`: the valid entries, the hash of the last one (the head), and the problem, if any."""

    entries: tuple[Entry, ...]
    head: str
    #: The first bad line, and why it is bad. None for a whole journal.
    problem: str | None
    #: The journal ends too early, and nothing else is wrong: the run was killed or is running, or the end was cut off.
    broken_off: bool = False
    #: The size of the valid entries in bytes.
    size: int = 0

    @property
    def whole(self) -> bool:
        """Whether every line is unchanged and the last one is the closing entry."""
        return self.problem is None

    def entry_of(self, head: str) -> int | None:
        """Return the number of the valid entry with the hash `head`; None if there is none."""
        return next((int(entry["seq"]) for entry in self.entries if entry["sha256"] == head), None)


@dataclass(frozen=True)
class _Fault:
    why: str
    broken_off: bool = False
    #: The entry above may be the one that was rewritten, so it does not count as valid either.
    above: bool = False


_EMPTY = _Fault("the journal is empty", broken_off=True)
_UNCLOSED = _Fault(
    "is the last, but not the closing entry: the end was cut off, or the run was killed", broken_off=True
)
_CUT = _Fault("ends without a line break: it was cut, or the run died while writing it", broken_off=True)
_CHANGED = _Fault("was changed after it was written, or was inserted: its hash does not match its content")
_BEHIND = _Fault("follows the closing entry but does not begin a resumed run: it was inserted or changed")
_PLACE = "does not follow the line above it: "


def verify(path: Path) -> Verified:
    """Read the journal at `path` and check every byte of it.

    Raises JournalError only if the file cannot be read, or has a newer format.
    """
    with _opened(path) as file:
        return check(path, file)


def verify_now(path: Path) -> tuple[Verified, bool]:
    """Verify the journal, and return also whether it has no end because a run is writing it now."""
    with _opened(path) as file:
        found = check(path, file)
        if not found.broken_off:
            return found, False
        if _is_written(file):
            return found, True
    # It may have been closed since it was read.
    return verify(path), False


def check(path: Path, file: BinaryIO) -> Verified:
    """Check `file`, which is the journal at `path` or its first bytes. Raises JournalError for a newer format."""
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
        why = f"says that it is entry {entry['seq']}: lines were removed, moved or inserted"
        return _Fault(f"{_PLACE}it {why}", above=entry["seq"] < number)
    if entry["previous"] != previous:
        return _Fault(f"{_PLACE}one of the two was rewritten with a new hash, or inserted", above=True)
    return None


def _resumes(data: bytes, number: int) -> bool:
    """Return whether a line, which may be incomplete, begins like a `resumed` entry with that number."""
    begins, kind = b'{"seq":%d,"time":"' % number, data.partition(b'"kind":"')[2][:8]
    return data[: len(begins)] == begins[: len(data)] and b'resumed"'.startswith(kind)


def _refuse_newer(path: Path, opened: Entry | None) -> None:
    # The first line is hashed in the same way in every format, so an edited line never looks like a newer format.
    number = FORMAT if opened is None else opened.get("format", FORMAT)
    if not isinstance(number, int) or number > FORMAT:
        raise JournalError(
            f"the journal {path} has format {number!r}, and this version of the runbook reads formats up to {FORMAT}",
            "use the version that wrote it (its first line names it), or a newer one",
        )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe would wait for its other end
        with open(handle, "rb") as file:  # noqa: PTH123 - a handle has no path
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise JournalError(f"the journal {path} cannot be read (it is not a regular file)", "check the path")
            yield file
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read ({error.strerror})", "check the path") from error


def _is_written(file: BinaryIO) -> bool:
    """Return whether a run holds the journal's lock (journal.py)."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
