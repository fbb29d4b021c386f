"""The append-only log of an incident.

hash_chain.py has the framing and the hash rule, verify.py detects changes. docs/journal.md describes the format.
"""

import contextlib
import errno
import fcntl
import json
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runbook.clock import utc_now
from runbook.errors import JournalError
from runbook.hosts.signals import signals_blocked
from runbook.journal.hash_chain import FIRST_PREVIOUS, FORMAT, Entry, seal
from runbook.journal.private_files import FOLDER_MODE, MODE, NEW_FILE
from runbook.journal.verify import verify
from runbook.secrets.redactor import Redactor
from runbook.secrets.selftest import refuse_leaks

__all__ = ["FORMAT", "RESERVED", "Entry", "Journal", "newest_run", "utc_now"]

#: Bytes reserved beside the journal, so that the record can be closed and its page written on a full disk.
RESERVED = 4 * 1024 * 1024


class Journal:
    """The open journal of one incident. Several threads may write to it."""

    def __init__(self, path: Path, redactor: Redactor, *, go_on: bool = False) -> None:
        """Create the journal at `path`, which must not exist. With `go_on`, open that of a run that ended or died.

        If a run died in the middle of the last line, that line is cut off: no action relied on it. Raises
        RedactionError, before anything else, if secrets would get into the journal. Raises JournalError if it cannot be
        written, if another run is writing it, or if it was changed.
        """
        refuse_leaks(redactor, {"journal": lambda value: json.loads(seal(_told(redactor, {"canary": value}))[0])})
        self.path = path
        self.redactor = redactor
        self.entries: list[Entry] = []
        #: Why an entry could not be written, if that happened. The closing entry has it.
        self.trouble: str | None = None
        self._previous = FIRST_PREVIOUS
        self._size = 0
        self._lock = threading.Lock()
        # Closes the files of a journal that nobody closed.
        self._open: list[int] = []
        self._let_go = weakref.finalize(self, _close_all, self._open)
        self._let_go.atexit = False
        try:
            path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._reserve: int | None = _reserved(path.with_name(".reserve"))
            self._open.append(self._reserve)
            flags = os.O_WRONLY | os.O_NOFOLLOW if go_on else NEW_FILE
            self._file = os.open(path, flags | os.O_APPEND, MODE)
            self._open.append(self._file)
            _sync_directory(path.parent)
            # Two writers would break the chain. The kernel releases this lock when a run dies.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"another run is writing the journal {path}", "wait until it has ended") from None
        except OSError as error:
            raise JournalError(
                f"the journal {path} cannot be opened ({error.strerror})",
                "this run changed nothing; free disk space or fix the permissions, then start again",
            ) from error
        if go_on:
            self._go_on()

    def _go_on(self) -> None:
        found = verify(self.path)
        data = self.path.read_bytes()
        if b"\n" in data[found.size :] or not found.entries:
            raise JournalError(
                f"the journal {self.path} is damaged: {found.problem}",
                "it cannot be resumed; start again without --resume",
            )
        os.ftruncate(self._file, found.size)
        self.entries, self._previous, self._size = list(found.entries), found.head, found.size

    def make_room(self) -> None:
        """Free the reserved disk space for the closing entries."""
        if self._reserve is not None:
            self._open.remove(self._reserve)
            os.close(self._reserve)
            self._reserve = None

    @property
    def head(self) -> str:
        """The hash of the newest entry, which covers all entries before it."""
        return self._previous

    def write(self, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        """Append one entry, redacted. With `sync`, return only when it is on disk.

        Raises JournalError if it cannot be written; with `sync` also if the file was removed or replaced. Without a
        journal nothing may be changed.
        """
        told = _told(self.redactor, facts)
        # A signal after the bytes are written but before they are counted would make the next line look as if one were
        # missing. A signal before the lock is released would block all other writers.
        with signals_blocked(), self._lock:
            entry: Entry = {"seq": len(self.entries), "time": utc_now(), "kind": kind}
            entry |= told
            entry["previous"] = self._previous
            line, digest = seal(entry)
            try:
                _write_all(self._file, line)
                self._previous = digest
                self._size += len(line)
                self.entries.append(entry)
                if sync:
                    os.fsync(self._file)
                    self._expect_in_place()
            except OSError as error:
                self.trouble = error.strerror or str(error)
                # Half a line would break the lines after it. If the main thread failed, only closing entries follow, so
                # the reserve is freed for them. Another thread must not use up that space.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
                    if threading.current_thread() is threading.main_thread():
                        self.make_room()
                raise JournalError(
                    f"the journal {self.path} cannot be written ({error.strerror})",
                    "without a journal nothing more is changed; free disk space or put it back, then check production",
                ) from error
        return entry

    def _expect_in_place(self) -> None:
        """Raise OSError if the file was removed or replaced: nobody would find the new entries."""
        there, ours = self.path.stat(), os.fstat(self._file)
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            raise FileNotFoundError(errno.ENOENT, "another file is in its place")

    def close(self) -> None:
        """Sync and close the file."""
        self.make_room()
        os.fsync(self._file)
        self._let_go()


def newest_run(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries of the newest run of an incident: those since the last `resumed`, or all."""
    begun = max((n for n, entry in enumerate(entries) if entry["kind"] == "resumed"), default=0)
    return entries[begun:]


def _close_all(files: list[int]) -> None:
    while files:
        os.close(files.pop())


def _told(redactor: Redactor, facts: Entry) -> Entry:
    """Return `facts` redacted, in JSON's types, without lone surrogates: JSON can contain them, an HTML page cannot."""
    told = {name: redactor.value(value) for name, value in facts.items()}
    text = json.dumps(told, ensure_ascii=False).encode("utf-16-le", errors="surrogatepass")
    read: Entry = json.loads(text.decode("utf-16-le", errors="replace"))
    return read


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _reserved(path: Path) -> int:
    """Reserve disk space in an unlinked file, so that it is freed when the run closes the file or dies."""
    path.unlink(missing_ok=True)  # from a run that died before the next unlink, or a link
    file = os.open(path, NEW_FILE, MODE)
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
