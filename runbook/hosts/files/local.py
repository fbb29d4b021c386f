"""Files of this machine, read by this process, with a deadline and recorded."""

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from runbook.errors import CommandSaidTooMuch, CommandTimedOut, FileUnreadable
from runbook.hosts.files.files import MOST_BYTES, Files, unreadable
from runbook.hosts.files.look import Asked, FileContent, FileLook, FileRecorder
from runbook.hosts.in_time import within

_Found = TypeVar("_Found")


class LocalFiles(Files):
    """The reads of `Files` without commands. A read from a disk that hangs is abandoned at the deadline."""

    def __init__(self, recorder: FileRecorder, deadline: float) -> None:
        self._recorder = recorder
        self._deadline = deadline

    def content(self, path: str, *, secret: bool = False, most: int = MOST_BYTES) -> FileContent | None:
        """Return a file; None if it does not exist. The content of a `secret` file is not recorded.

        Links are followed. Raises FileUnreadable when the file cannot be read, and CommandSaidTooMuch when it is larger
        than `most` bytes.
        """

        def told(found: FileContent | None) -> str | None:
            if found is None:
                return "does not exist"
            return None if secret else found.content.decode("utf-8", errors="replace")

        return self._looked(Asked.CONTENT, (path,), lambda: _content(path, most), told)

    def names(self, folder: str) -> list[str] | None:
        """Return the names in a folder; None if it does not exist. Raises FileUnreadable when it cannot be read."""

        def told(found: list[str] | None) -> str:
            return "does not exist" if found is None else "\n".join(found)

        return self._looked(Asked.NAMES, (folder,), lambda: _names(folder), told)

    def there(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that exist."""
        look = lambda: {path for path in paths if os.path.exists(path)}  # noqa: E731, PTH110 - paths are str
        return self._looked(Asked.THERE, paths, look, _lines) if paths else set()

    def links(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that are symbolic links."""
        look = lambda: {path for path in paths if os.path.islink(path)}  # noqa: E731, PTH114 - the same
        return self._looked(Asked.LINKS, paths, look, _lines) if paths else set()

    def writable(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that exist and that this user may write."""
        look = lambda: {path for path in paths if os.access(path, os.W_OK, effective_ids=True)}  # noqa: E731 - the same
        return self._looked(Asked.WRITABLE, paths, look, _lines) if paths else set()

    def free_bytes(self, paths: Sequence[str]) -> dict[str, int]:
        """Return the free bytes of each path's file system, without the paths that cannot be checked."""

        def told(found: dict[str, int]) -> str:
            return "\n".join(f"{path}: {size}" for path, size in found.items())

        return self._looked(Asked.FREE, paths, lambda: _free(paths), told)

    def user(self) -> str:
        """Return this process's user ID, under which its commands run."""
        return str(os.geteuid())

    def _looked(
        self, asked: Asked, paths: Sequence[str], look: Callable[[], _Found], told: Callable[[_Found], str | None]
    ) -> _Found:
        began = time.monotonic()

        def on_record(seen: str | None = None, error: str = "") -> None:
            look_at = FileLook(asked, tuple(paths), time.monotonic() - began, seen, error)
            self._recorder.files_looked_at(look_at)

        shown = ", ".join(paths)
        try:
            found = within(self._deadline, look)
        except TimeoutError:
            on_record(error="no answer")
            raise CommandTimedOut(
                f"{shown} could not be read within {self._deadline:g} s",
                "check its disk, or raise deadlines.command",
            ) from None
        except OSError as error:
            on_record(error=error.strerror or str(error))
            raise unreadable(shown, error.strerror or str(error)) from None
        except (FileUnreadable, CommandSaidTooMuch) as error:
            on_record(error=error.seen)
            raise
        on_record(told(found))
        return found


def _content(path: str, most: int) -> FileContent | None:
    real = os.path.realpath(path)
    try:
        with Path(real).open("rb") as file:
            facts = os.fstat(file.fileno())
            content = file.read(most + 1)
    except FileNotFoundError:
        if os.path.islink(path):  # noqa: PTH114 - a str path
            raise unreadable(path, "it is a broken link") from None
        return None
    if len(content) > most:
        raise CommandSaidTooMuch(f"{path} is larger than {most} bytes", "read it on the production host")
    return FileContent(real, content, f"{stat.S_IMODE(facts.st_mode):o}", str(facts.st_uid), str(facts.st_gid))


def _names(folder: str) -> list[str] | None:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - only the names
    except FileNotFoundError:
        return None


def _free(paths: Sequence[str]) -> dict[str, int]:
    found = {}
    for path in paths:
        try:
            facts = os.statvfs(path)
        except OSError:
            continue
        found[path] = facts.f_bavail * facts.f_frsize
    return found


def _lines(found: set[str]) -> str:
    return "\n".join(sorted(found)) or "none of them"
