"""A journal to tamper with, as somebody who knows the hash rule could."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runbook.journal.hash_chain import seal
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor


def journal_of(folder: Path, entries: int) -> Path:
    """Return a complete journal with that many entries, all different."""
    journal = Journal(folder / "journal.jsonl", Redactor())
    journal.write("opened", format=1)
    for number in range(1, entries - 1):
        journal.write("fact", name=f"number {number}", value=[number, 'ä"\\'])
    journal.write("closed", outcome="passed")
    journal.close()
    return journal.path


def lines_in(journal: Path) -> list[bytes]:
    return journal.read_bytes().splitlines(keepends=True)


def put(journal: Path, lines: list[bytes]) -> Path:
    journal.write_bytes(b"".join(lines))
    return journal


def resealed(line: bytes, **members: Any) -> bytes:
    """Return the line with other members, and a hash that fits them."""
    entry = json.loads(line) | members
    entry.pop("sha256", None)
    previous = entry.pop("previous")
    return seal(entry | {"previous": previous})[0]


def sealed_anew(lines: list[bytes]) -> list[bytes]:
    """Return all lines with fitting numbers and hashes. Only an outside copy of a hash would reveal that."""
    made, previous = [], "0" * 64
    for number, line in enumerate(lines):
        made.append(resealed(line, seq=number, previous=previous))
        previous = json.loads(made[-1])["sha256"]
    return made


def rewritten(number: int) -> Callable[[list[bytes]], list[bytes]]:
    """Return a function that rewrites line `number`, counted from 1, with a hash that fits the line."""

    def rewrite(lines: list[bytes]) -> list[bytes]:
        return [resealed(line, name="forged") if n == number else line for n, line in enumerate(lines, start=1)]

    return rewrite
