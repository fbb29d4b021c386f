"""The journal's framing and its hash rule: how an entry becomes a line, and what a line says about itself.

One JSON object a line. Its last member is the SHA-256 of all bytes of the line before that member, and `previous`
repeats the hash of the line above, so every byte of the file is covered. docs/journal.md describes the format.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

#: The newest format that can be read; the one that is written.
FORMAT = 1
FIRST_PREVIOUS = "0" * 64
_SEAL = b',"sha256":"'
#: Members that every entry has, besides `seq`.
_TEXTS = ("time", "kind", "previous")

Entry = dict[str, Any]


def seal(entry: Entry) -> tuple[bytes, str]:
    """The line of an entry that ends with `previous`, and its hash."""
    body = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode("ascii")[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return body + _SEAL + digest.encode("ascii") + b'"}\n', digest


@dataclass(frozen=True)
class Line:
    """A line of a journal as it was found: its bytes, its number from 1, and what it says if its own hash fits."""

    data: bytes
    number: int
    digest: str
    #: None when its hash does not fit its content, or when it is no entry.
    entry: Entry | None

    @property
    def ended(self) -> bool:
        """Tell whether it has its line break."""
        return self.data.endswith(b"\n")


def lines_of(data: bytes) -> list[Line]:
    """The lines of a journal; the last one may be cut."""
    return [_line(found, number) for number, found in enumerate(re.findall(rb"[^\n]*\n|[^\n]+\Z", data), start=1)]


def _line(data: bytes, number: int) -> Line:
    body, mark, tail = data.rpartition(_SEAL)
    digest = hashlib.sha256(body).hexdigest()
    fits = mark and tail == digest.encode("ascii") + b'"}\n'
    return Line(data, number, digest, _entry(data) if fits else None)


def _entry(line: bytes) -> Entry | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(found, dict) and type(found.get("seq")) is int
    return found if known and all(type(found.get(name)) is str for name in _TEXTS) else None
