"""What a look at files gave, and who records it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Asked(StrEnum):
    """What is asked of files."""

    CONTENT = "content"
    NAMES = "names"
    THERE = "there"
    LINKS = "links"
    WRITABLE = "writable"
    FREE = "free"


@dataclass(frozen=True)
class FileLook:
    """A look at files without a command: what was asked of which paths, in `seconds`, and what was seen.

    `seen` is None where it is a secret, and `error` says why nothing was seen.
    """

    asked: Asked
    paths: tuple[str, ...]
    seconds: float
    seen: str | None = None
    error: str = ""


class FileRecorder(Protocol):
    """Records looks at files: the incident does."""

    def files_looked_at(self, look: FileLook) -> None:
        """Record one look."""


@dataclass(frozen=True)
class FileContent:
    """A file: its real path, its bytes, its mode in octal, and its owner and group as numbers."""

    path: str
    content: bytes
    mode: str
    owner: str
    group: str
