"""The usual duration of an execution: from the newest runs that passed and were not resumed."""

import os
from pathlib import Path
from typing import Any

import pytest

from runbook.report.archive.usual_duration import usual_duration


def filed(reports: Path, number: int, seconds: int, **more: Any) -> Path:
    """Write the journal of an execution that took `seconds`, as far as it is read here."""
    told = {"project": "shop", "type": "rollback", "mode": "execute", "outcome": "passed", "between": ""} | more
    folder = reports / f"202512{number:02}T030000Z-shop-rollback"
    folder.mkdir()
    began = f"2025-12-{number:02}T03:00:00.000000Z"
    ended = f"2025-12-{number:02}T03:{seconds // 60:02}:{seconds % 60:02}.000000Z"
    opened = "".join(f',"{name}":"{told[name]}"' for name in ("project", "type", "mode"))
    lines = (
        f'{{"seq":0,"time":"{began}","kind":"opened"{opened}}}',
        *([f'{{"kind":"{told["between"]}"}}'] if told["between"] else []),
        f'{{"seq":9,"time":"{ended}","kind":"closed","outcome":"{told["outcome"]}"}}',
    )
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "journal.jsonl"


def test_nothing_is_known_without_any(tmp_path: Path) -> None:
    """An empty or missing folder gives no duration."""
    assert usual_duration(tmp_path, "shop", "rollback") is None
    assert usual_duration(tmp_path / "nowhere", "shop", "rollback") is None


def test_median_of_the_newest(tmp_path: Path) -> None:
    """The median of the five newest counts. An older run does not."""
    for number, seconds in enumerate((1800, 20, 30, 40, 50, 600), start=1):
        filed(tmp_path, number, seconds)
    assert usual_duration(tmp_path, "shop", "rollback") == 40


@pytest.mark.parametrize(
    "more",
    [
        {"outcome": "failed"},
        {"mode": "plan"},
        {"type": "emergency"},
        {"project": "other"},
        {"between": "resumed"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_is_not_alike_does_not_count(tmp_path: Path, more: dict[str, str]) -> None:
    """A run with another outcome, mode, kind or project does not count, nor does a resumed run."""
    filed(tmp_path, 2, 500, **more)
    assert usual_duration(tmp_path, "shop", "rollback") is None
    filed(tmp_path, 1, 30)
    assert usual_duration(tmp_path, "shop", "rollback") == 30


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A pipe and an incomplete or unreadable journal are skipped."""
    filed(tmp_path, 1, 30)
    for number, content in enumerate((b"", b"\xff{", b'{"kind":"opened"}'), start=2):
        filed(tmp_path, number, 1).write_bytes(content)
    pipe = filed(tmp_path, 7, 1)
    pipe.unlink()
    os.mkfifo(pipe)
    assert usual_duration(tmp_path, "shop", "rollback") == 30
