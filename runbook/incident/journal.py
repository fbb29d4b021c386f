"""What happened, in the order in which it happened: an append-only file that shows any later change.

One JSON object a line. Its last member is the SHA-256 of all bytes of the line before that member, and `previous`
repeats the hash of the line above, so every byte of the file is covered. docs/journal.md describes the format.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook.errors import JournalError
from runbook.incident.canary import refuse_leaks
from runbook.incident.redaction import Redactor
from runbook.threads import signals_held

FORMAT = 1
FIRST_PREVIOUS = "0" * 64
_SEAL = b',"sha256":"'
#: Kept free beside the journal, in bytes: on a full disk the record can still be closed, and its page written.
RESERVED = 4 * 1024 * 1024

Entry = dict[str, Any]


def utc_now() -> str:
    """Return the time now as `2026-01-31T23:59:59.123456Z`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Journal:
    """The open journal of one incident. Several threads may write to it."""

    def __init__(self, path: Path, redactor: Redactor, *, go_on: bool = False) -> None:
        """Create the journal at `path`, which must not exist; or, to `go_on`, open the one of a run that ended or died.

        A last line that a dying run did not finish is cut off: nothing was done on its word. Raises JournalError when
        it cannot be written, when another run is writing it, and when it is not as it was written; and RedactionError,
        before anything else, when secrets would get into it.
        """
        refuse_leaks(redactor, {"journal": lambda value: json.loads(_seal(_told(redactor, {"canary": value}))[0])})
        self.path = path
        self.redactor = redactor
        self.entries: list[Entry] = []
        self._previous = FIRST_PREVIOUS
        self._size = 0
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reserve: int | None = _reserved(path.with_name(".reserve"))
            flags = 0 if go_on else os.O_CREAT | os.O_EXCL
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | flags, 0o644)
            _sync_directory(path.parent)
            # Two writers would break the chain; the kernel lets go of this lock when a run dies, however it dies.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"another run is writing the journal {path}", "wait until it has ended") from None
        except OSError as error:
            raise JournalError(
                f"the journal {path} cannot be opened ({error.strerror})",
                "this run changed nothing; make room or mend the permissions, then start again",
            ) from error
        if go_on:
            self._go_on()

    def _go_on(self) -> None:
        found = verify(self.path)
        data = self.path.read_bytes()
        whole = b"".join(_lines(data)[: len(found.entries)])
        if b"\n" in data[len(whole) :] or not found.entries:
            raise JournalError(
                f"the journal {self.path} is not as it was written: {found.problem}",
                "nothing can be gone on with from it; begin anew without --resume",
            )
        os.ftruncate(self._file, len(whole))
        self.entries, self._previous, self._size = list(found.entries), found.head, len(whole)

    def make_room(self) -> None:
        """Give the reserved space back: what is written from here on is the closing."""
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    @property
    def head(self) -> str:
        """The hash of the newest entry: who knows it can tell whether the journal is whole."""
        return self._previous

    def write(self, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        """Append one entry, redacted; with `sync`, return only when it is on the disk.

        Raises JournalError when it cannot be written: without a journal nothing may be changed.
        """
        told = _told(self.redactor, facts)
        # A signal between the bytes and the count of them would make the next line look as if one were missing, and
        # between lock and release it would keep all others from writing.
        with signals_held(), self._lock:
            entry: Entry = {"seq": len(self.entries), "time": utc_now(), "kind": kind}
            entry |= told
            entry["previous"] = self._previous
            line, seal = _seal(entry)
            try:
                _write_all(self._file, line)
                self._previous = seal
                self._size += len(line)
                self.entries.append(entry)
                if sync:
                    os.fsync(self._file)
            except OSError as error:
                # Half a line would spoil what comes after it; and what comes now is only the closing, unless it is a
                # thread beside the run that could not write: that one must not use up the room for the closing.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
                    if threading.current_thread() is threading.main_thread():
                        self.make_room()
                raise JournalError(
                    f"the journal {self.path} cannot be written ({error.strerror})",
                    "nothing more is changed without a journal; make room, then look at production",
                ) from error
        return entry

    def close(self) -> None:
        """Put everything on the disk and let go of the file."""
        self.make_room()
        os.fsync(self._file)
        os.close(self._file)


def _told(redactor: Redactor, facts: Entry) -> Entry:
    """`facts` without secrets, in JSON's own types, without lone surrogates, which JSON can carry and no page can."""
    told = {name: redactor.value(value) for name, value in facts.items()}
    text = json.dumps(told, ensure_ascii=False).encode("utf-16-le", errors="surrogatepass")
    read: Entry = json.loads(text.decode("utf-16-le", errors="replace"))
    return read


def _seal(entry: Entry) -> tuple[bytes, str]:
    body = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode("ascii")[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return body + _SEAL + digest.encode("ascii") + b'"}\n', digest


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _reserved(path: Path) -> int:
    """Take up space on the disk, in a file without a name: it is free again when it is closed, or when the run dies."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        path.unlink()
        os.posix_fallocate(file, 0, RESERVED)
    except OSError:
        os.close(file)
        raise
    return file


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Verified:
    """What `verify` found: the entries that can be believed, the head's hash, and what is wrong, if anything."""

    entries: tuple[Entry, ...]
    head: str
    problem: str | None

    @property
    def whole(self) -> bool:
        """Tell whether every line is as it was written, to the closing entry."""
        return self.problem is None


def verify(path: Path) -> Verified:
    """Read the journal at `path` and check every byte of it.

    Raises JournalError only when the file cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read ({error.strerror})", "check the path") from error
    entries: list[Entry] = []
    previous = FIRST_PREVIOUS
    for number, found in enumerate(_lines(data), start=1):
        entry, problem = _check(found, previous, len(entries))
        if problem is not None or entry is None:
            return Verified(tuple(entries), previous, f"line {number}: {problem}")
        entries.append(entry)
        previous = hashlib.sha256(found[: found.rindex(_SEAL)]).hexdigest()
    if not entries:
        return Verified((), previous, "the journal is empty")
    if entries[-1].get("kind") != "closed":
        return Verified(
            tuple(entries),
            previous,
            f"line {len(entries)} is the last and is not the closing entry: the tail was cut, or the run was killed",
        )
    return Verified(tuple(entries), previous, None)


def _lines(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+\Z", data)


def _check(line: bytes, previous: str, sequence: int) -> tuple[Entry | None, str | None]:
    if not line.endswith(b"\n"):
        return None, "ends without a line break: it was cut, or was being written when the run died"
    body, seal, tail = line.rpartition(_SEAL)
    if not seal or tail != hashlib.sha256(body).hexdigest().encode("ascii") + b'"}\n':
        return None, "was changed after it was written (its hash does not fit its content)"
    try:
        entry: Entry = json.loads(line)
    except ValueError:
        return None, "is not JSON"
    if entry.get("previous") != previous or entry.get("seq") != sequence:
        return None, "does not follow the line above it (a line was removed, added, or moved)"
    return entry, None
