"""A journal read for what an index tells of it: every byte is checked, what no index needs is not taken apart."""

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from runbook.errors import JournalError
from runbook.journal.damage import Damage, may_resume
from runbook.journal.hash_chain import FIRST_PREVIOUS, FORMAT, Entry
from runbook.journal.verify import verify
from runbook.journal.writer_lock import is_written

#: Longer than any line that the runbook writes, in bytes.
LONGEST_LINE = 16 * 1024 * 1024
#: A larger journal that is not whole is not read a second time, to find out more.
_MOST_BYTES = 16 * 1024 * 1024
# By the framing that docs/journal.md describes, these three stand first.
_BEGINS = re.compile(rb'\{"seq":(\d+),"time":"[^"]*","kind":"([^"]*)"(?:,"name":"([^"]*)")?')
_SEAL = b',"sha256":"'
_SEAL_LENGTH = len(_SEAL) + 64 + len(b'"}\n')
_NOT_NEEDED = {b"command", b"command began", b"exchange", b"check", b"decision", b"confirmed", b"left behind"}
#: What is wrong with a line, and that in words.
_Broken = tuple[Damage, str]
_FACTS_NOT_NEEDED = {
    b"target migrations",
    b"failed migrations",
    b"verdict",
    b"loss",
    b"loss accepted",
    b"restore point",
}


@dataclass(frozen=True)
class Skimmed:
    """What was found: of the entries that can be believed those that an index needs, and what is wrong, if anything."""

    entries: list[Entry]
    problem: str | None
    #: Whether a run is writing it at this moment.
    at_work: bool
    #: In bytes.
    size: int
    #: What kind of problem it is; where `verify` was not asked, only whether it breaks off or was changed.
    damage: Damage | None


def skim(path: Path, deadline: float | None = None) -> Skimmed:
    """Read the journal at `path`; line by line, so a huge one takes time and not memory.

    Raises JournalError when it cannot be read, is not a plain file, or is of a newer format, and TimeoutError when it
    is not read to its end at `deadline` (of time.monotonic()).
    """
    try:
        # Neither wait for a pipe's other end, nor read what a link points to, elsewhere.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        why = "is a symbolic link" if path.is_symlink() else f"cannot be read ({error.strerror})"
        raise JournalError(f"{path.name} {why}", "copy the journal itself there") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise JournalError(f"{path.name} is not a file", "remove it")
    with open(handle, "rb") as file:  # noqa: PTH123 - a handle has no path
        try:
            entries, last, broken = _read(file, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            raise JournalError(f"{path.name} cannot be read ({error.strerror})", "check the disk") from None
        if broken is None and last != b"closed":
            broken = _no_end(last)
        at_work = broken is not None and is_written(file)
    if broken is not None and not at_work and about.st_size <= _MOST_BYTES:
        # What happened to it, in the words of `verify`; that takes longer, and most journals are whole.
        verified = verify(path)
        return Skimmed(list(verified.entries), verified.problem, at_work, about.st_size, verified.damage)
    damage, problem = broken or (None, None)
    return Skimmed(entries, problem, at_work, about.st_size, damage)


def _read(file: BinaryIO, deadline: float | None) -> tuple[list[Entry], bytes, _Broken | None]:
    """The entries that are needed, the kind of the last one that can be believed, and what is wrong with the next."""
    entries: list[Entry] = []
    previous, kind = FIRST_PREVIOUS.encode("ascii"), b""
    for number, line in enumerate(_lines(file)):
        # Also at its first line: a deadline may be over already.
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
        body = line[:-_SEAL_LENGTH]
        digest = hashlib.sha256(body).hexdigest().encode("ascii")
        if broken := _ill_framed(line, number, digest, kind):
            return entries, kind, broken
        begins = _BEGINS.match(body)
        if begins is None:
            return entries, kind, (Damage.EDITED, f"line {number + 1}: is not an entry as this runbook writes them")
        if begins[1] != b"%d" % number or not body.endswith(b',"previous":"' + previous + b'"'):
            return entries, kind, (Damage.EDITED, f"line {number + 1}: does not follow the line above it")
        kind, previous = begins[2], digest
        if kind in _NOT_NEEDED or (kind == b"fact" and begins[3] in _FACTS_NOT_NEEDED):
            continue
        try:
            entries.append(json.loads(line.decode("ascii")))
        except (ValueError, RecursionError):
            return entries, kind, (Damage.EDITED, f"line {number + 1}: is not JSON")
        if number == 0:
            _refuse_newer(entries[0])
    return entries, kind, None


def _ill_framed(line: bytes, number: int, digest: bytes, above: bytes) -> _Broken | None:
    """What is wrong with a line by itself, below one of the kind `above`."""
    if above == b"closed" and not may_resume(line, number):
        return Damage.INSERTED, f"line {number + 1}: was put in after the journal was closed"
    if not line.endswith(b"\n"):
        return Damage.CUT, f"line {number + 1}: ends without a line break"
    if line[-_SEAL_LENGTH:] != _SEAL + digest + b'"}\n':
        return Damage.EDITED, f"line {number + 1}: was changed after it was written"
    return None


def _refuse_newer(opened: Entry) -> None:
    number = opened.get("format", FORMAT)
    if not isinstance(number, int) or number > FORMAT:
        raise JournalError(f"the journal is of format {number!r}, which is newer", "use the version that wrote it")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _no_end(last: bytes) -> _Broken:
    if last:
        return Damage.UNCLOSED, "it does not end with the closing entry"
    return Damage.EMPTY, "it is empty"
