"""`python -m runbook records`, `records show`, `verify` and `render`: records found by name and shown in a terminal."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.cli.main import main
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.page import render
from runbook.secrets.redactor import Redactor
from tests.harness.inner import Zygote
from tests.harness.terminal import forked
from tests.support.filed import closed, filed, opened, over
from tests.support.forging import lines_in, put
from tests.support.telling import INCIDENT, snapshot, told

ROOT = Path(__file__).parents[3]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    """Run a command, check its exit code, and return its output."""
    assert main([str(argument) for argument in arguments]) == code
    return capsys.readouterr().out


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Three records: a rollback, a plan, and a killed rollback."""
    filed(tmp_path, "2026-01-01T10:00:00", over(after=30))
    filed(tmp_path, "2026-01-02T10:00:00", [opened("plan"), closed("planned")])
    filed(tmp_path, "2026-01-03T10:00:00", over()[:-1])
    return tmp_path


def test_records_are_listed_newest_last(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each incident is a line, the newest last. Warnings and the index page's path follow."""
    lines = said(capsys, "records", "--reports", reports).splitlines()
    assert [line[:16] for line in lines[1:4]] == ["2026-01-01 10:00", "2026-01-02 10:00", "2026-01-03 10:00"]
    assert "Over: production runs v1 again" in lines[1]
    assert lines[1].split()[-7:] == ["30.0", "s", "unknown", "31.0", "s", "anna", "20260101T100000Z-shop-rollback"]
    assert "not whole" in lines[3]
    assert "1 of 3 journals are not whole" in lines
    assert "no rehearsal is on record: run script/rehearse" in lines
    assert lines[-1] == str(reports / "index.html")
    assert (reports / "index.html").is_file()


def test_records_as_json(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each line is an object, and nothing else is printed. Unknown values are null."""
    found = [json.loads(line) for line in said(capsys, "records", "--json", "--reports", reports).splitlines()]
    assert [each["group"] for each in found] == ["rollback", "plan", "rollback"]
    assert (found[0]["time_to_recover"], found[0]["without_service"], found[0]["to"]) == (30.0, None, "v1")
    assert found[2]["state"] == "not whole"
    assert (reports / "index.html").is_file()


def test_records_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing reports folder gives one line with the next step, and exit code 1."""
    assert main(["records", "--reports", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("runbook: the folder of records ")
    assert error.count("\n") == 1


def test_records_are_listed_where_the_page_cannot_be_written(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the index page cannot be written, the list is printed first, then the error, with exit code 1."""
    (reports / "index.html").mkdir()
    assert main(["records", "--reports", str(reports)]) == 1
    shown = capsys.readouterr()
    assert "20260103T100000Z-shop-rollback" in shown.out
    assert "index.html cannot be written" in shown.err


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_records_fit_the_terminal(reports: Path, on_terminal: Callable[..., str], columns: int) -> None:
    """On a terminal of any width no line is too long, and no text is cut off."""
    shown = on_terminal(columns, "records", "--reports", str(reports))
    assert "\x1b[" in shown
    lines = COLOURS.sub("", shown).splitlines()
    assert lines[-1] == str(reports / "index.html")
    assert all(len(line) <= columns for line in lines[:-1])
    assert "20260103T100000Z-shop-rollback" in "".join(line.strip() for line in lines).replace(" ", "")
    assert "\x1b[3" not in on_terminal(columns, "records", "--reports", str(reports), NO_COLOR="1")


@pytest.fixture
def on_terminal(zygote: Zygote) -> Callable[..., str]:
    """Return the output of a command on a terminal with `columns` columns."""

    def shown(columns: int, *arguments: str, code: int = 0, **environment: str) -> str:
        variables = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"} | environment
        request = {"is_command": True, "folder": str(ROOT), "arguments": arguments, "environment": variables}

        def fork(meanwhile: Callable[[int], None], **streams: str) -> int:
            return zygote.run(request | streams, meanwhile)

        with forked(fork, columns) as terminal:
            assert terminal.finish() == code
        return terminal.written

    return shown


def test_plain_where_it_is_no_terminal(reports: Path) -> None:
    """In a pipe with an ASCII locale, the list has no colours and no error."""
    done = subprocess.run(
        [sys.executable, "-m", "runbook", "records", "--reports", str(reports)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        timeout=30,
        check=True,
    )
    text = done.stdout.decode("ascii")
    assert "\x1b" not in text
    assert r"v2 \u2192 v1" in text
    assert done.stderr == b""


def test_reader_that_has_seen_enough_is_no_error(reports: Path) -> None:
    """If the reader closes the pipe, as `| head` does, there is no traceback."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "runbook", "records", "show", "--reports", str(reports), "20260101"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_record_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record is shown as Markdown from headline to head. `render --format markdown` writes the same text."""
    journal = told(tmp_path, "WORD", project="shop")
    text = said(capsys, "records", "show", journal)
    for expected in (
        "# Over: production runs v1 again\n",
        "- project: shop\n",
        "- from: v2\n",
        "- run by: WORD on WORD\n",
        "- release, image tag: **v1**, was v2\n",
        "    - evidence WORD\n",
        "### 1\\. Chapter\n",
        " passed Given first WORD, 1.5 s\n",
        " passed When user traffic is paused (changed), 0.1 s\n",
        " **failed** Then last WORD, 0.1 s: expected this; seen WORD\n",
        "left out: it WORD",
        "## What is left to do",
        f"head `{verify(journal).head}`",
    ):
        assert expected in text, expected
    assert "docker WORD" not in text
    assert said(capsys, "records", "show", "--reports", tmp_path) == text
    path = said(capsys, "render", journal, "--format", "markdown")
    assert path == f"{journal.with_name('record.md')}\n"
    assert journal.with_name("record.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_record_fits_the_terminal(tmp_path: Path, on_terminal: Callable[..., str], columns: int) -> None:
    """A terminal shows rendered Markdown with lines broken between words. A command to type stays on one line."""
    journal = filed(tmp_path, "2026-01-03T10:00:00", over()[:-1]) / "journal.jsonl"
    shown = on_terminal(columns, "records", "show", str(journal), code=1)
    assert "\x1b[" in shown
    lines = COLOURS.sub("", shown).splitlines()
    (typed,) = {line for line in lines if "--resume" in line}
    assert typed.endswith("--resume 20260103T100000Z-shop-rollback --execute shop")
    assert all(len(line) <= columns for line in lines if line != typed)
    assert "```" not in shown
    assert "**" not in shown


def test_release_of_what_goes_nowhere_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A validation names its release in `records show`, on its page, in the index and as JSON."""
    running = {"kind": "fact", "name": "running", "value": {"tag": "v7"}}
    folder = filed(tmp_path, "2026-01-01T10:00:00", [opened("validation"), running, closed("passed", "known-good")])
    assert "\n- on: v7\n" in said(capsys, "records", "show", folder)
    assert '<span class="rb-note">on</span> v7' in render.body(folder / "journal.jsonl")
    assert json.loads(said(capsys, "records", "--json", "--reports", tmp_path))["from"] == "v7"
    assert 'data-name="From → to" data-key="v7">v7<' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_broken_record_is_shown_as_broken(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that is not whole is shown with a warning, and exit code 1."""
    text = said(capsys, "records", "show", "--reports", reports, "20260103T100000Z-shop-rollback", code=1)
    assert "This journal is not whole" in text
    assert "The run never closed its journal, so its lock may still exist" in " ".join(text.split())


def test_changed_record_does_not_say_how_it_ended(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If a journal was changed, its outcome is unknown in the list and in the record."""
    journal = reports / "20260101T100000Z-shop-rollback" / "journal.jsonl"
    opened, *others = lines_in(journal)
    put(journal, [opened, others[0].replace(b'"kind":', b'"Kind":', 1), *others[1:]])
    words = "The outcome is unknown: the journal was changed"
    assert words in said(capsys, "records", "show", "--reports", reports, "20260101", code=1)
    assert words in said(capsys, "records", "--reports", reports)
    text = said(capsys, "records", "show", "--reports", reports, "20260101", code=1)
    assert "Interrupted" not in text
    assert "--resume" not in text


@pytest.mark.parametrize("left", [b"", b'{"se', b"of another program\n"])
def test_record_of_which_nothing_can_be_believed(
    reports: Path, capsys: pytest.CaptureFixture[str], left: bytes
) -> None:
    """An empty or foreign journal is shown as untrusted, without claims about a run or its end."""
    folder = reports / "20260101T100000Z-shop-rollback"
    whole = (folder / "journal.jsonl").read_bytes()
    (folder / "journal.jsonl").write_bytes(left + whole[len(left) :] if left.endswith(b"\n") else left)
    text = said(capsys, "records", "show", "--reports", reports, "20260101", code=1)
    page = render.body(folder / "journal.jsonl")
    assert text.startswith("# Nothing in it can be trusted\n")
    assert "<h1>Nothing in it can be trusted</h1>" in page
    assert "Nothing in it can be trusted" in said(capsys, "records", "--reports", reports)
    for wrong in ("nterrupted", "killed", "not closed", "Ended", "Took", "took", "--resume"):
        assert wrong not in text, wrong
        assert wrong not in page.partition('id="rb-check"')[0], wrong


def test_production_of_a_changed_record_may_have_been_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the end was edited, the final state is unknown because of the edit, not because no observation was made."""
    first, *others = over()
    changed = {"kind": "action", "state": "done", "summary": "x", "scope": "production"}
    folder = filed(tmp_path, "2026-01-01T10:00:00", [first, changed, *others])
    lines = lines_in(folder / "journal.jsonl")
    put(folder / "journal.jsonl", [*lines[:-2], lines[-2].replace(b'"kind":', b'"Kind":', 1), lines[-1]])
    expected = "The final state of production is unknown: the end of the journal cannot be trusted"
    assert expected in said(capsys, "records", "show", folder, code=1).replace("*", "")
    assert expected in " ".join(re.sub("<[^>]*>", "", render.body(folder / "journal.jsonl")).split())


def test_what_an_incident_left_as_it_is_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A switch left off, a quarantine, a dump and remaining files are listed, with owner and command of the switch."""
    first, *others = over()
    switch = {"variable": "EXPORT_MODE", "value": "off", "state": "off", "owner": "orders team", "remind_after": "2d"}
    looked = snapshot("x", "v1", at="2026-01-01T10:00:01.000000Z", gate="open", switches={"exports": switch})
    dump = {"path": "/srv/i.dump", "size": 12, "sha256": "a" * 64}
    digests = {"api": "sha256:" + "b" * 64}
    quarantined = {"tag": "v2", "digests": digests, "since": "2026-01-01T10:00:01.000000Z", "file": "/srv/q"}
    leaves = [{"path": "/srv/i.env", "what": "the env file as it was"}]
    facts = {"quarantined": quarantined, "restore point": dump, "after": looked}
    more = [{"kind": "fact", "name": name, "value": value, "at": 1} for name, value in facts.items()]
    more += [{"kind": "action", "state": "done", "summary": "x", "scope": "production", "leaves": leaves}]
    folder = filed(tmp_path, "2026-01-01T10:00:00", [first, *more, *others])
    text = " ".join(said(capsys, "records", "show", folder).partition("What is left")[2].replace("\\", "").split())
    for expected in (
        "Switch left off: exports (EXPORT_MODE=off), to be turned on again by: orders team; reminder due 2026-01-03",
        "pytest features -m emergency --enable exports --execute shop",
        "In quarantine: v2. Post-deploy validation refuses it",
        "Restore point: /srv/i.dump, 12 bytes, sha256 " + "a" * 64,
        "Left on the production host: /srv/i.env: the env file as it was",
    ):
        assert expected in text, expected
    assert "Nothing" not in text


def test_what_must_stay_and_did_not_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed release after an emergency is a fault. A schema that could not be read is not reported as the same."""
    first, *others = over()
    looks = {"before": snapshot("x", "v1"), "after": snapshot("x", "v2", schema={"unknown": "no answer"})}
    facts = [{"kind": "fact", "name": name, "value": value, "at": 1} for name, value in looks.items()]
    folder = filed(tmp_path, "2026-01-01T10:00:00", [first | {"type": "emergency"}, *facts, *others])
    lines = said(capsys, "records", "show", folder).splitlines()
    assert "- release, image tag: **v2**, was v1 — **must not have changed**" in lines
    (unseen,) = [line for line in lines if line.endswith("**must be the same as before, but could not be read**")]
    (same,) = [line for line in lines if line.startswith("- the same before and after: ")]
    assert "schema revision" in unseen
    assert "schema revision" not in same


def test_what_must_not_be_overlooked_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk, vouched checks, decisions, releases not chosen and the plan are all shown."""
    first, *others = over()
    options = dict.fromkeys(("target", "forward_fix", "accept_loss", "verdict", "because"))
    word = {"by": "ada", "because": "I looked", "at": "2026-01-01T09:00:00.000000Z"}
    scenario = {"scenario": "Metrics", "feature": "5. Validate"}
    more = [
        {"kind": "plan", "incident": None, "why": "none was made"},
        {"kind": "fact", "name": "overrides", "value": {"5.1.1": word}},
        {
            "kind": "decision", "question": "target", "text": "Which release?", "answer": "v1",
            "evidence": ["the ledger"],
            "passed_over": [{"candidate": "v1.5", "why": "it is in quarantine"}],
        },
        {"kind": "scenario began", **scenario, "description": ""},
        {"kind": "step began", "id": "5.1.1", "keyword": "Then", "text": "it counts", **scenario, "place": "f:1"},
        {"kind": "step ended", "outcome": "inconclusive", "detail": "no answer", "seconds": 1.0},
        {"kind": "scenario ended", **scenario, "outcome": "passed", "provides": []},
    ]  # fmt: skip
    asked = first | {"asked_for": options | {"target": "v1"}}
    ends = others[-1] | {"trouble": "No space left on device"}
    folder = filed(tmp_path, "2026-01-01T10:00:00", [asked, *more, *others[:-1], ends])
    text = " ".join(said(capsys, "records", "show", folder).split())
    for expected in (
        "**The journal could not be written:** No space left on device.",
        "**Did not pass, a person vouched for it:** Then it counts",
        "- plan: No plan to compare with: none was made",
        "not chosen: v1.5: it is in quarantine",
        "`--to v1` by anna, 2026-01-01 10:00:00 UTC: return to this release, whatever the ledger says",
        "`--override 5.1.1` by ada, 2026-01-01 09:00:00 UTC: continue, although this step failed or was inconclusive:",
        "Then it counts; because: I looked",
    ):
        assert expected in text, expected
    assert "[the journal could not be written (No space left on device)]" in said(
        capsys, "records", "--reports", tmp_path
    )


def test_record_of_a_run_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record under way is reported as such, not as broken or killed, and gets no page yet."""
    journal = Journal(tmp_path / "i-1" / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute", project="shop", operator="anna", incident="i-1")
    journal.write("scenario began", scenario="Users return", chapter="2. Roll back", feature="f")
    for text in ("the gate is closed", "user traffic is resumed"):
        journal.write("step began", id="2.1.1", keyword="When", text=text, scenario="Users return", place="f:1")
        if text == "the gate is closed":
            journal.write("step ended", outcome="passed", detail="", seconds=1.0)
    text = said(capsys, "records", "show", journal.path)
    assert text.startswith("# Under way when this was read, at: When user traffic is resumed\n")
    assert "at work" in text
    assert "- ended: not yet" in text
    assert "A run is writing this record" in text
    for wrong in ("not whole", "nterrupted", "never closed", "the run ended", "--resume", "killed"):
        assert wrong not in text
    assert said(capsys, "verify", journal.path, code=1).startswith(
        "NOT ended: a run is writing it at this moment; its first 5 entries are intact\n"
    )
    assert main(["render", str(journal.path)]) == 1
    assert f"python -m runbook records show {journal.path}" in capsys.readouterr().err
    assert not journal.path.with_name("record.html").exists()
    journal.write("action", action="bring_up", summary="x", scope="production", state="begun", commands=[])
    assert "When user traffic is resumed (changing)" in said(capsys, "records", "show", journal.path)
    journal.close()
    text = said(capsys, "records", "show", journal.path, code=1)
    assert "Interrupted at: When user traffic is resumed" in text
    assert "When user traffic is resumed (begun, not finished)" in text
    assert "(changed)" not in text
    assert "user traffic is resumed <em>begun, not finished</em>" in render.body(journal.path)


@pytest.mark.parametrize("word", ["\x1b]0;owned\x07", "\x1b[2J", "a\rb", "\N{RIGHT-TO-LEFT OVERRIDE}x", "[red]x"])
def test_terminal_is_not_steered_by_a_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], on_terminal: Callable[..., str], word: str
) -> None:
    """Terminal commands in a journal are shown escaped, in lists, records and rendered Markdown."""
    journal = told(tmp_path, word)
    text = said(capsys, "records", "--reports", tmp_path) + said(capsys, "records", "show", journal)
    rendered = COLOURS.sub("", on_terminal(100, "records", "show", str(journal)))
    for shown in (text, rendered.replace("\r\n", "")):
        assert not set(shown) & {"\x1b", "\x07", "\r", "\N{RIGHT-TO-LEFT OVERRIDE}"}
    assert "[red]x" in rendered or word != "[red]x"


@pytest.mark.parametrize("typed", [INCIDENT, "0300", "folder", "journal"])
def test_record_is_found_as_people_name_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: str) -> None:
    """A record is found by its incident's name or a part of it, by its folder, or by its journal."""
    journal = told(tmp_path)
    named = {"folder": str(journal.parent), "journal": str(journal)}.get(typed, typed)
    assert said(capsys, "verify", "--reports", tmp_path, named).startswith("whole: ")
    assert said(capsys, "render", "--reports", tmp_path, named) == f"{journal.with_name('record.html')}\n"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("2026010", "3 incidents have 2026010"), ("1999", "is named 1999"), ("no/such/folder", "cannot be read")],
)
def test_record_that_is_not_the_only_one(
    reports: Path, capsys: pytest.CaptureFixture[str], typed: str, answer: str
) -> None:
    """A name that matches no incident or several is refused, with the next step."""
    assert main(["verify", "--reports", str(reports), typed]) == 1
    error = capsys.readouterr().err
    assert answer in error
    assert "→" in error
