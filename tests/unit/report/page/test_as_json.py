"""The record as JSON: the content of the page for programs."""

import json
from pathlib import Path

import pytest

from runbook.cli.main import main
from runbook.errors import JournalError
from runbook.report.page import render
from tests.support.telling import INCIDENT, told


def test_it_tells_what_the_page_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`render --format json` writes the record beside the journal, readable only by its owner."""
    journal = told(tmp_path, impact="x")
    assert main(["render", str(journal), "--format", "json"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert (path.name, path.stat().st_mode & 0o077) == ("record.json", 0)
    found = json.loads(path.read_text())
    assert (found["format"], found["incident"], found["journal"]["whole"]) == ("incident-record/1", INCIDENT, True)
    assert (found["from"], found["to"], found["outcome"]) == ("v2", "v1", "passed")
    assert found["seconds"]["without_service"] is None
    assert found["review"]["severity"] is None
    assert [each["outcome"] for each in found["steps"]][-1] == "failed"
    assert found["decisions"][0]["question"] == "target"


def test_nothing_hides_in_it(tmp_path: Path) -> None:
    """Characters that reorder text, and terminal commands, are escaped: the JSON is ASCII."""
    path = render.render_json(told(tmp_path, "\u202egnp.exe \x1b[31m"))
    assert path.read_text().isascii()


def test_journal_that_is_none(tmp_path: Path) -> None:
    """For an invalid journal the JSON says that it is not whole. A missing journal is an error."""
    (tmp_path / "journal.jsonl").write_text("no journal")
    assert json.loads(render.render_json(tmp_path / "journal.jsonl").read_text())["journal"]["whole"] is False
    with pytest.raises(JournalError):
        render.render_json(tmp_path / "elsewhere" / "journal.jsonl")
