"""`python -m runbook verify`: journal, announced head, page and outputs, each in a line of its own."""

from pathlib import Path

import pytest

from runbook.__main__ import main
from runbook.incident import record
from runbook.incident.verifying import verify
from runbook.probes import Answer
from tests.unit.forging import lines_in, put, rewritten, sealed_anew
from tests.unit.incident_parts import incident
from tests.unit.telling import told

NO_PAGE = "page: there is no record.html beside the journal"


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = main(["verify", *map(str, arguments)])
    return code, capsys.readouterr().out.splitlines()


def test_folder_stands_for_its_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who names the incident's folder means the journal in it."""
    journal = told(tmp_path)
    assert said(capsys, journal.parent) == said(capsys, journal)
    assert said(capsys, journal)[0] == 0


def test_announced_head_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The hash that people were told is found, and everything up to it is what it was; written in any case."""
    journal = told(tmp_path)
    head = verify(journal).entries[9]["sha256"]
    code, lines = said(capsys, journal, "--head", f" {head.upper()} ")
    assert code == 0
    assert lines[1] == "head: the announced one is entry 9; everything up to it is as it was announced"


def test_journal_that_was_rewritten_since_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that is whole, since all its hashes were made anew, does not hold the head that was announced."""
    journal = told(tmp_path)
    head = verify(journal).entries[9]["sha256"]
    put(journal, sealed_anew(rewritten(4)(lines_in(journal))))
    code, lines = said(capsys, journal, "--head", head)
    assert (code, lines[0].startswith("whole: "), lines[2]) == (1, True, NO_PAGE)
    assert lines[1].startswith("head NOT found: the journal was rewritten since it was announced")


def test_head_below_the_damage_is_not_confirmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Above the damage an announced head still holds; below it nobody can say."""
    journal = told(tmp_path)
    heads = [verify(journal).entries[entry]["sha256"] for entry in (3, 20)]
    lines = lines_in(journal)
    put(journal, [*lines[:9], lines[9].replace(b'"kind":', b'"Kind":', 1), *lines[10:]])
    assert said(capsys, journal, "--head", heads[0])[1][1].startswith("head: the announced one is entry 3")
    code, lines_said = said(capsys, journal, "--head", heads[1])
    assert code == 1
    assert lines_said[1].startswith("head NOT found among the lines that can be believed")


@pytest.mark.parametrize("head", ["", "abc", "g" * 64, "0" * 63])
def test_what_is_no_hash_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str], head: str) -> None:
    """A hash that was copied in part would never be found: that is said before anything else."""
    with pytest.raises(SystemExit) as exited:
        main(["verify", str(told(tmp_path)), "--head", head])
    assert exited.value.code == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err


def test_page_that_is_not_as_made_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited page is told below a journal that is whole, and the command ends with 1."""
    journal = told(tmp_path)
    page = record.render(journal)
    page.write_text(page.read_text(encoding="utf-8").replace("Over:", "0ver:"), encoding="utf-8")
    code, lines = said(capsys, journal)
    assert (code, lines[0].startswith("whole: ")) == (1, True)
    assert lines[1].startswith("page NOT as made: record.html was changed after it was made")


def test_outputs_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files that a journal names are counted when they are as written, and named when they are not."""
    found = incident(tmp_path)
    for body in ("y" * 5000, "z" * 5000):
        found.exchanged("GET", "http://x/", None, Answer("http://x/", 200, {}, body, 0.1))
    found.journal.write("closed", outcome="passed")
    found.journal.close()
    code, lines = said(capsys, tmp_path)
    assert (code, lines[2]) == (0, "outputs: 2 files, as written")
    (tmp_path / "output" / "0002-body.txt").unlink()
    code, lines = said(capsys, tmp_path)
    assert (code, lines[2]) == (1, "outputs NOT whole: output/0002-body.txt is missing")


def test_newer_format_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` and `render` say which format it is and what to use instead."""
    journal = told(tmp_path, format=2)
    for command in ("verify", "render"):
        assert main([command, str(journal)]) == 1
        errors = capsys.readouterr().err
        assert "is of format 2" in errors
        assert errors.count("\n") == 1
