"""Whether a journal is as it was written, and what can be believed of one that is not."""

from dataclasses import dataclass
from pathlib import Path

from runbook.errors import JournalError
from runbook.journal.damage import Damage, damages
from runbook.journal.hash_chain import FIRST_PREVIOUS, FORMAT, Entry, Line, lines_of


@dataclass(frozen=True)
class Verified:
    """What `verify` found: the entries that can be believed, the head's hash, and what is wrong, if anything."""

    entries: tuple[Entry, ...]
    head: str
    problem: str | None
    #: What kind of problem it is; the first one from the top, where there are several.
    damage: Damage | None = None
    #: How many bytes can be believed.
    size: int = 0

    @property
    def whole(self) -> bool:
        """Tell whether every line is as it was written, to the closing entry."""
        return self.problem is None

    def entry_of(self, head: str) -> int | None:
        """The number of the entry with that hash, if it is among those that can be believed."""
        return next((int(entry["seq"]) for entry in self.entries if entry["sha256"] == head), None)


def verify(path: Path) -> Verified:
    """Read the journal at `path` and check every byte of it.

    Raises JournalError only when the file cannot be read at all: when it is not there, or is of a newer format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read ({error.strerror})", "check the path") from error
    return check(path, data)


def check(path: Path, data: bytes) -> Verified:
    """Check `data`, which is what the journal at `path` holds, or a beginning of it.

    Raises JournalError only when it is of a newer format.
    """
    lines = lines_of(data)
    _refuse_newer(path, lines)
    found = damages(lines)
    first = next(found, None)
    believed = lines if first is None else lines[: first.believed]
    entries = tuple(line.entry for line in believed if line.entry is not None)
    head = believed[-1].digest if believed else FIRST_PREVIOUS
    size = sum(len(line.data) for line in believed)
    if first is None:
        return Verified(entries, head, None, None, size)
    more = "; and there is more damage below it" if next(found, None) else ""
    return Verified(entries, head, f"{first.words}{more}", first.kind, size)


def _refuse_newer(path: Path, lines: list[Line]) -> None:
    # The first line is sealed in the same way in every format: one that was edited is not taken for a newer one.
    opened = lines[0].entry if lines else None
    number = FORMAT if opened is None else opened.get("format", FORMAT)
    if not isinstance(number, int) or number > FORMAT:
        raise JournalError(
            f"the journal {path} is of format {number!r}, and this version of the runbook reads formats up to {FORMAT}",
            "use the version that wrote it (its first line names it), or a newer one",
        )
