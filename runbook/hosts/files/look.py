"""The result of reading files, and the recorder interface."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Asked(StrEnum):
    """The kinds of reads."""

    CONTENT = "content"
    NAMES = "names"
    THERE = "there"
    LINKS = "links"
    WRITABLE = "writable"
    FREE = "free"


@dataclass(frozen=True)
class FileLook:
    """One read of files without a command: its kind, paths, duration in `seconds`, and result.

    `seen` is None for a secret file. `error` says why nothing was seen.
    """

    asked: Asked
    paths: tuple[str, ...]
    seconds: float
    seen: str | None = None
    error: str = ""


class FileRecorder(Protocol):
    """Records reads of files. The incident implements it."""

    def files_looked_at(self, look: FileLook) -> None:
        """Record one read."""


@dataclass(frozen=True)
class FileContent:
    """A file: its real path, bytes, mode in octal, and numeric owner and group."""

    path: str
    content: bytes
    mode: str
    owner: str
    group: str
