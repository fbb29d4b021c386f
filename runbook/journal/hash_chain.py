"""The journal's framing and its hash rule: an entry as a line, and a line as an entry.

One JSON object per line. Its last member is the SHA-256 of all bytes of the line before that member. `previous` repeats
the hash of the line above, so the hashes cover every byte of the file. docs/journal.md describes the format.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

#: The format that is written, and the newest one that can be read.
FORMAT = 1
FIRST_PREVIOUS = "0" * 64
_SEAL = b',"sha256":"'
#: Members that every entry has, besides `seq`.
_TEXTS = ("time", "kind", "previous")

Entry = dict[str, Any]


def seal(entry: Entry) -> tuple[bytes, str]:
    """Return the line of `entry`, whose last member is `previous`, and the hash of that line."""
    body = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode("ascii")[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return body + _SEAL + digest.encode("ascii") + b'"}\n', digest


@dataclass(frozen=True)
class Line:
    """A line of a journal: its bytes, the hash of its content, and its entry."""

    data: bytes
    digest: str
    #: None if the line names another hash than that of its content, or is not an entry.
    entry: Entry | None

    @property
    def ended(self) -> bool:
        """Whether the line has its line break."""
        return self.data.endswith(b"\n")


def line_of(data: bytes) -> Line:
    """Parse one line of a journal. The last line may be incomplete."""
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
