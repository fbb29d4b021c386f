"""The journal's framing and its hash rule: an entry as a line, and a line as an entry.

One JSON object a line. Its last member is the SHA-256 of all bytes of the line before that member, and `previous`
repeats the hash of the line above, so every byte of the file is covered. docs/journal.md describes the format.
"""

import hashlib
import json
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
    """A line of a journal: its bytes, the hash of its content, and its entry if that is the hash that it names."""

    data: bytes
    digest: str
    #: None when its hash does not fit its content, or when it is no entry.
    entry: Entry | None

    @property
    def ended(self) -> bool:
        """It has its line break."""
        return self.data.endswith(b"\n")


def line_of(data: bytes) -> Line:
    """Parse one line of a journal; the last one may be cut."""
    body, mark, tail = data.rpartition(_SEAL)
    digest = hashlib.sha256(body).hexdigest()
    fits = mark and tail == digest.encode("ascii") + b'"}\n'
    return Line(data, digest, _entry(data) if fits else None)


def _entry(line: bytes) -> Entry | None:
    try:
        found = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    known = isinstance(found, dict) and type(found.get("seq")) is int
    return found if known and all(type(found.get(name)) is str for name in _TEXTS) else None
