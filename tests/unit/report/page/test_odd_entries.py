"""Journals with a valid chain but entries in an unknown form: they give a page or a message, never a traceback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.cli.main import main
from runbook.errors import JournalError
from runbook.report.page import render
from tests.support.forging import lines_in, put, resealed, sealed_anew
from tests.support.telling import told

_LACKING = object()


def odd(lines: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the journal repeatedly, each time with one member of one kind of entry missing or of another type."""
    seen = {"seq", "previous", "sha256", "format"}
    for number, line in enumerate(lines):
        entry: dict[str, Any] = json.loads(line)
        for member in entry:
            for value in (_LACKING, {"x": []}) if member not in ("time", "kind") else ("odd",):
                name = f"{entry['kind']} {entry.get('name', '')} {member} {value!r}"
                if member in seen or name in seen:
                    continue
                seen.add(name)
                yield name, [*lines[:number], changed(line, member, value), *lines[number + 1 :]]


def changed(line: bytes, member: str, value: object) -> bytes:
    if value is not _LACKING:
        return resealed(line, **{member: value})
    entry = json.loads(line)
    del entry[member]
    return json.dumps(entry).encode()


def test_odd_entries_end_in_a_page_or_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With any member missing or of another type, `render` and `records show` end with a record or a message."""
    journal = told(tmp_path, outcome="failed")
    refused = 0
    for name, lines in odd(lines_in(journal)):
        put(journal, sealed_anew(lines))
        for command in (["render"], ["records", "show"]):
            assert main([*command, str(journal)]) in (0, 1), name
            said = capsys.readouterr()
            refused += "not in the form that this version of the runbook writes" in said.err
            assert said.out or "→" in said.err, name
    assert refused > 15


def test_odd_entries_are_named(tmp_path: Path) -> None:
    """The error names the missing member of the entry."""
    journal = told(tmp_path)
    lines = [changed(line, "text", _LACKING) if b"step began" in line else line for line in lines_in(journal)]
    put(journal, sealed_anew(lines))
    with pytest.raises(
        JournalError, match=r"not in the form that this version of the runbook writes \(KeyError: 'text'\)"
    ):
        render.body(journal)
