"""`python -m runbook verify`: one line each about journal, announced head, page and outputs."""

from pathlib import Path

import pytest

from runbook.cli.main import main
from runbook.hosts.http import HttpResponse
from runbook.journal.verify import verify
from runbook.report.page import render
from tests.support.forging import lines_in, put, resealed, rewritten, sealed_anew
from tests.support.incident_parts import incident
from tests.support.planned_journals import Run, written
from tests.support.telling import told

NO_PAGE = "page: there is no record.html beside the journal"


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = main(["verify", *map(str, arguments)])
    return code, capsys.readouterr().out.splitlines()


def test_folder_stands_for_its_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The path of an incident's folder stands for the journal in it."""
    journal = told(tmp_path)
    assert said(capsys, journal.parent) == said(capsys, journal)
    assert said(capsys, journal)[0] == 0


def test_announced_head_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An announced head is found in upper or lower case, and confirms the entries up to it."""
    journal = told(tmp_path)
    head = verify(journal).entries[9]["sha256"]
    code, lines = said(capsys, journal, "--head", f" {head.upper()} ")
    assert code == 0
    assert lines[1] == "head: the announced one is entry 9; everything up to it is unchanged since then"


def test_journal_that_was_rewritten_since_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal rewritten with new hashes is whole, but does not contain the announced head."""
    journal = told(tmp_path)
    head = verify(journal).entries[9]["sha256"]
    put(journal, sealed_anew(rewritten(4)(lines_in(journal))))
    code, lines = said(capsys, journal, "--head", head)
    assert (code, lines[0].startswith("whole: "), lines[2]) == (1, True, NO_PAGE)
    assert lines[1].startswith("head NOT found: the journal was rewritten since it was announced")


def test_head_below_the_damage_is_not_confirmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An announced head before the damage is confirmed. A head after it is not."""
    journal = told(tmp_path)
    heads = [verify(journal).entries[entry]["sha256"] for entry in (3, 20)]
    lines = lines_in(journal)
    put(journal, [*lines[:9], lines[9].replace(b'"kind":', b'"Kind":', 1), *lines[10:]])
    assert said(capsys, journal, "--head", heads[0])[1][1].startswith("head: the announced one is entry 3")
    code, lines_said = said(capsys, journal, "--head", heads[1])
    assert code == 1
    assert lines_said[1].startswith("head NOT found among the valid lines")


@pytest.mark.parametrize("head", ["", "abc", "g" * 64, "0" * 63])
def test_what_is_no_hash_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str], head: str) -> None:
    """A `--head` that is not a whole hash is misuse, with exit code 2."""
    with pytest.raises(SystemExit) as exited:
        main(["verify", str(told(tmp_path)), "--head", head])
    assert exited.value.code == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err


def test_page_that_is_not_as_made_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited page beside a whole journal is reported, with exit code 1."""
    journal = told(tmp_path)
    page = render.render(journal)
    page.write_text(page.read_text(encoding="utf-8").replace("Over:", "0ver:"), encoding="utf-8")
    code, lines = said(capsys, journal)
    assert (code, lines[0].startswith("whole: ")) == (1, True)
    assert lines[1].startswith(
        "page NOT as made: record.html names this journal's head but differs from it: the page was changed"
    )


def test_outputs_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Output files are counted if they are unchanged. Missing ones are named, with exit code 1."""
    found = incident(tmp_path)
    for body in ("y" * 5000, "z" * 5000):
        found.exchanged("GET", "http://x/", None, HttpResponse("http://x/", 200, {}, body, 0.1))
    found.journal.write("closed", outcome="passed")
    found.journal.close()
    code, lines = said(capsys, tmp_path)
    assert (code, lines[2]) == (0, "outputs: 2 files, as written")
    (tmp_path / "output" / "0002-body.txt").unlink()
    code, lines = said(capsys, tmp_path)
    assert (code, lines[2]) == (1, "outputs NOT whole: output/0002-body.txt is missing")


def test_newer_format_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` and `render` refuse an unknown format in one line."""
    journal = told(tmp_path, format=2)
    for command in ("verify", "render"):
        assert main([command, str(journal)]) == 1
        errors = capsys.readouterr().err
        assert "has format 2" in errors
        assert errors.count("\n") == 1


def test_journal_of_another_incident_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record in the folder of another incident is reported."""
    folder = told(tmp_path).parent
    render.render(folder / "journal.jsonl")
    other = folder.rename(tmp_path / "20251219T040000Z-shop-rollback")
    code, lines = said(capsys, "--reports", tmp_path, other.name)
    assert (code, lines[1]) == (1, f"NOT this folder's: the journal is that of {folder.name}")


def test_link_lends_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link with another incident's name is reported too."""
    folder = told(tmp_path).parent
    link = tmp_path / "20251219T040000Z-shop-rollback"
    link.symlink_to(folder)
    assert said(capsys, link)[1][1] == f"NOT this folder's: the journal is that of {folder.name}"


def test_record_that_was_copied_to_be_looked_at_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record copied to a folder of any other name, and one read from within its folder, are whole."""
    folder = told(tmp_path).parent
    monkeypatch.chdir(folder)
    assert said(capsys, "journal.jsonl")[0] == 0
    copied = folder.rename(tmp_path / "look")
    assert said(capsys, copied)[0] == 0


def announcing(folder: Path) -> Path:
    """Return the journal of a rollback that announced its head."""
    found = incident(folder)
    journal = found.journal
    journal.write("opened", format=1, incident=found.name, project="shop")
    journal.write("fact", name="strategy", value="image-only")
    about = {"action": "announce", "summary": "the rollback is announced", "scope": "people"}
    text = f"Incident {found.name}, journal head {journal.head}."
    journal.write(
        "action",
        state="begun",
        commands=[],
        message={"title": "shop: rolled back", "text": text, "head": journal.head},
        **about,
    )
    journal.write("action", state="done", seconds=1, receipts=["accepted"], **about)
    journal.write("closed", outcome="passed", changes_made=[], reached=[], remaining=[])
    journal.close()
    return journal.path


def test_journal_that_contradicts_its_announcement_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal with new hashes is reported, because its announcement names a head that it no longer contains."""
    journal = announcing(tmp_path)
    head = verify(journal).entries[1]["sha256"]
    assert said(capsys, journal)[0] == 0
    put(journal, sealed_anew(rewritten(2)(lines_in(journal))))
    code, lines = said(capsys, journal)
    assert (code, lines[0].startswith("whole: ")) == (1, True)
    assert lines[1] == (
        f"announcement NOT of this journal: it names head {head}, which is not an entry above it: "
        "the journal was rewritten since it was announced"
    )


def executed(reports: Path) -> tuple[Path, Path]:
    """Return the journals of a plan and of its execution, which names the plan's head."""
    plan, execution = ("20251218T030000Z-shop-plan", "20251218T031000Z-shop-rollback")
    written(reports, Run(plan, "plan", outcome="planned"))
    head = verify(reports / plan / "journal.jsonl").head
    written(reports, Run(execution, "execute"), {"incident": plan, "head": head})
    return reports / plan / "journal.jsonl", reports / execution / "journal.jsonl"


def test_plan_that_was_rewritten_since_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan that was rewritten or damaged after its execution is reported."""
    plan, execution = executed(tmp_path)
    head = verify(plan).head
    assert said(capsys, execution)[0] == 0
    lines = lines_in(plan)
    for changed, why in (
        (sealed_anew(rewritten(2)(lines)), "that journal, or this one, was rewritten since"),
        (rewritten(2)(lines), "that journal was changed since"),
    ):
        put(plan, changed)
        code, told_now = said(capsys, execution)
        assert code == 1
        assert told_now[1] == (
            f"plan NOT as it was executed: head {head} is not an entry of {plan.parent.name} beside it: {why}"
        )


def test_plan_that_is_not_beside_is_not_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record without its plan, or with a plan of a newer format, is whole."""
    plan, execution = executed(tmp_path)
    put(plan, sealed_anew([resealed(line, format=99) for line in lines_in(plan)]))
    assert said(capsys, execution)[0] == 0
    plan.unlink()
    assert said(capsys, execution)[0] == 0
