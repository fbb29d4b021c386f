"""What happened to a journal that is not as it was written, told by its lines."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runbook.journal.hash_chain import FIRST_PREVIOUS, Line


class Damage(StrEnum):
    """Each kind of damage."""

    EMPTY = "empty"
    #: A line whose content does not fit its own hash.
    EDITED = "edited"
    #: A line whose own hash was made anew; the line below does not follow it.
    REWRITTEN = "rewritten"
    #: A line that follows nothing, and that nothing follows.
    REPLACED = "replaced"
    REMOVED = "removed"
    MOVED = "moved"
    INSERTED = "inserted"
    #: The last line is not complete.
    CUT = "cut"
    #: The last line is not the closing entry.
    UNCLOSED = "unclosed"


# How a run begins that goes on behind the closing entry.
_RESUMED = b'{"seq":%d,"time":"2026-01-31T23:59:59.123456Z","kind":"resumed",'
_DIGIT = re.compile(rb"[0-9]")

#: What a run leaves that was killed, or that is at work still.
BROKEN_OFF = (Damage.CUT, Damage.UNCLOSED)


@dataclass(frozen=True)
class Found:
    """One damage: how many lines from the top can be believed, and what happened, in words."""

    kind: Damage
    believed: int
    words: str


@dataclass
class _Walk:
    """Where the walk down the lines is, and what it expects there; any `previous` will do where it is None."""

    lines: list[Line]
    at: int = 0
    seq: int = 0
    previous: str | None = FIRST_PREVIOUS
    #: Whether the line above is the closing entry, and is believed.
    closed: bool = False

    def fits(self, line: Line) -> bool:
        """Tell whether the line is the one that is expected."""
        entry = line.entry
        return entry is not None and entry["seq"] == self.seq and self.previous in (None, entry["previous"])

    def go_on(self, at: int, seq: int, previous: str | None) -> None:
        """Expect that at this place from here on."""
        self.at, self.seq, self.previous, self.closed = at, seq, previous, False


def damages(lines: Sequence[Line]) -> Iterator[Found]:
    """Yield what is wrong, from the top; behind the first one each time as if the one before were mended."""
    if not lines:
        yield Found(Damage.EMPTY, 0, "the journal is empty")
        return
    walk = _Walk(list(lines))
    while walk.at < len(walk.lines):
        line = walk.lines[walk.at]
        if count := _behind_closed(walk):
            yield _put_in_behind(walk, count)
        elif walk.fits(line):
            walk.go_on(walk.at + 1, walk.seq + 1, line.digest)
            walk.closed = _kind(line) == "closed"
        elif line.ended:
            yield _broken(walk, line) if line.entry is None else _out_of_place(walk, line, line.entry["seq"])
        else:
            words = f"line {line.number}: ends without a line break: it was cut, or was being written when the run died"
            yield Found(Damage.CUT, walk.at, words)
            return
    last = walk.lines[-1]
    if not walk.closed and last.entry is not None and last.entry["kind"] != "closed":
        words = "is the last and is not the closing entry: the tail was cut, or the run was killed"
        yield Found(Damage.UNCLOSED, len(walk.lines), f"line {last.number} {words}")


def may_resume(line: bytes, seq: int) -> bool:
    """Tell whether a line, or as much of it as is there, begins as the entry with which a run goes on."""
    numbered, begins = b'{"seq":%d,' % seq, _RESUMED % seq
    found = line[: len(begins)]
    fits = _DIGIT.sub(b"0", begins).startswith(_DIGIT.sub(b"0", found))
    return bool(found) and fits and found[: len(numbered)] == numbered[: len(found)]


def _behind_closed(walk: _Walk) -> int:
    """How many lines from here on were put in behind the closing entry: only a run that is resumed writes there.

    None are where the lines tell more: a run stands below that lost its beginning, or a line claims another place.
    """
    below = walk.lines[walk.at :] if walk.closed else []
    for count, line in enumerate(below):
        if line.entry is None:
            if may_resume(line.data, walk.seq):
                return count
        elif not walk.fits(line):
            return 0 if line.entry["seq"] > walk.seq else count
        else:
            # What follows an entry that was put in was put in with it, up to a run that does not follow it.
            resumed = (at for at, other in enumerate(below) if walk.fits(other) and _kind(other) == "resumed")
            return next(resumed, len(below))
    return len(below)


def _kind(line: Line) -> str:
    return str(line.entry["kind"]) if line.entry is not None else ""


def _put_in_behind(walk: _Walk, count: int) -> Found:
    first, last = walk.lines[walk.at].number, walk.lines[walk.at + count - 1].number
    which = f"line {first}: was" if count == 1 else f"lines {first} to {last}: were"
    found = Found(Damage.INSERTED, walk.at, f"{which} put in after the journal was closed")
    walk.at += count
    return found


def _broken(walk: _Walk, line: Line) -> Found:
    """A line whose hash does not fit."""
    at = walk.at
    below = walk.lines[at + 1 : at + 2]
    if below and walk.previous is not None and walk.fits(below[0]):
        walk.at += 1
        words = f"line {line.number}: was put in after the journal was written ({_follows(below[0], line.number - 1)})"
        return Found(Damage.INSERTED, at, words)
    walk.go_on(at + 1, walk.seq + 1, None)
    words = f"line {line.number}: was changed after it was written (its hash does not fit its content)"
    return Found(Damage.EDITED, at, words)


def _follows(below: Line, above: int) -> str:
    return f"line {below.number} follows line {above}" if above else f"line {below.number} is the first entry"


def _out_of_place(walk: _Walk, line: Line, seq: int) -> Found:
    """A line that is whole, and not the one that belongs here."""
    at, lines = walk.at, walk.lines
    above = lines[at - 1] if at else None
    if above is not None and _same_place(above, line):
        # Two lines that claim one place; the line below follows the one that was there first.
        walk.go_on(at + 1, seq + 1, line.digest)
        words = f"line {above.number}: was put in, with a hash of its own (line {line.number} claims the same place)"
        return Found(Damage.INSERTED, at - 1, words)
    here = f"line {line.number}: does not follow the line above it"
    copy = next((other for other in lines if other.data == line.data and other is not line), None)
    if copy is not None:
        walk.at += 1
        return Found(Damage.INSERTED, at, f"{here}: it was put in, and is a copy of line {copy.number}")
    if any(walk.fits(below) for below in lines[at + 1 :]) and _foreign(line, lines):
        walk.at += 1
        return Found(Damage.INSERTED, at, f"{here}: it was put in, with a hash of its own")
    if seq == walk.seq:
        return _rewritten(walk, line, here)
    if seq < walk.seq:
        walk.at += 1
        return Found(Damage.INSERTED, at, f"{here}: it was put in, as a second entry {seq}")
    return _missing(walk, seq, here)


def _same_place(above: Line, line: Line) -> bool:
    one, other = above.entry, line.entry
    return (
        one is not None
        and other is not None
        and above.data != line.data
        and (one["seq"], one["previous"]) == (other["seq"], other["previous"])
    )


def _foreign(line: Line, lines: Sequence[Line]) -> bool:
    """Tell whether no line is the one above it or the one below it, by the hashes."""
    assert line.entry is not None  # noqa: S101 - for the type checker; the caller has looked
    known = {other.digest for other in lines} | {FIRST_PREVIOUS}
    above = line.entry["previous"] in known
    return not above and not any(other.entry and other.entry["previous"] == line.digest for other in lines)


def _rewritten(walk: _Walk, line: Line, here: str) -> Found:
    """The entry that belongs here by its number, and that does not follow the one above."""
    at, below = walk.at, walk.lines[walk.at + 1 : walk.at + 2]
    follows = bool(below) and below[0].entry is not None and below[0].entry["previous"] == line.digest
    walk.go_on(at + 1, walk.seq + 1, line.digest if follows else None)
    above = line.number - 1
    if at and follows:
        words = f"line {above}: was rewritten, hash and all (line {line.number} does not follow it)"
        return Found(Damage.REWRITTEN, at - 1, words)
    if at and not below:
        words = f"line {above}: was rewritten, hash and all, or line {line.number} was: one does not follow the other"
        return Found(Damage.REWRITTEN, at - 1, words)
    words = f"{here}, nor the line below it: it was rewritten, hash and all, or is another journal's"
    # Two neighbours that were rewritten look the same, so the line above is not believed either.
    return Found(Damage.REPLACED, max(0, at - 1), words)


def _missing(walk: _Walk, seq: int, here: str) -> Found:
    """An entry that belongs further down: those between are missing, or stand elsewhere."""
    at, wanted = walk.at, range(walk.seq, seq)
    elsewhere = [other for other in walk.lines[at + 1 :] if other.entry is not None and other.entry["seq"] in wanted]
    if elsewhere:
        first = min(elsewhere, key=lambda other: other.entry["seq"] if other.entry else 0)
        belongs = first.entry["seq"] if first.entry else 0
        walk.lines[at:] = sorted(walk.lines[at:], key=lambda other: other.entry["seq"] if other.entry else float("inf"))
        words = f"it is entry {seq}, and entry {belongs} stands in line {first.number} (lines were moved)"
        return Found(Damage.MOVED, at, f"{here}: {words}")
    walk.go_on(at, seq, None)
    lost = f"entry {wanted[0]} is" if len(wanted) == 1 else f"entries {wanted[0]} to {wanted[-1]} are"
    return Found(Damage.REMOVED, at, f"{here}: {lost} missing (removed after they were written)")
