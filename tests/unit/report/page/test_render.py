"""The record: one page made from the journal only. Recorded text is shown and never becomes an element."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import JournalError
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.page import render
from runbook.report.page.templating import SCRIPT
from runbook.secrets.redactor import Redactor
from tests.harness.inner import Zygote
from tests.support.forging import lines_in, put, resealed, sealed_anew
from tests.support.telling import INCIDENT, snapshot, told

ROOT = Path(__file__).parents[4]


class Page(HTMLParser):
    """The elements of a page with their attribute names, and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", ()))
        self.text += " "

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] not in ([("script", ())], [("style", ())]):
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", (data,)))

    def unknown_decl(self, data: str) -> None:
        self.elements.append(("declaration", (data,)))


def shown(journal: Path) -> str:
    """Return the text of the page with white space folded."""
    return " ".join(Page(render.body(journal)).text.split())


def change_byte(journal: Path, line: int) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b'"kind":"', b'"kind":"X', 1)
    journal.write_bytes(b"".join(lines))


def test_page_tells_the_incident(tmp_path: Path) -> None:
    """The page shows the events, both releases, decisions, commands with their output, and how to check the page."""
    journal = told(tmp_path, "WORD", project="shop")
    text = shown(journal)
    for expected in (
        "Over: production runs v1 again",
        "Project shop",
        "from v2 to v1",
        "Run by WORD on WORD",
        "WORD-digest-of-v2 WORD-digest-of-v1 changed",
        "evidence WORD",
        "docker WORD",
        "exit code 1",
        "HTTP 503",
        "no answer: WORD",
        "second line",
        "Checked: WORD (within 30 s)",
        "Left out: it WORD.",
        "1. Chapter",
        "2. Chapter",
        f"python -m runbook verify reports/{INCIDENT}/journal.jsonl",
        verify(journal).head,
        "whole",
    ):
        assert expected in text, expected
    assert "not whole" not in text


def test_page_says_what_stopped_a_run(tmp_path: Path) -> None:
    """If a run failed, the observation of the failed step is at the top of the page and under "What stopped it"."""
    text = shown(told(tmp_path, "WORD", outcome="failed"))
    assert "Rolled back, but a step failed: expected this; seen WORD" in text
    assert "What stopped it" in text
    assert "expected this; seen WORD" in text


HOSTILE = [
    pytest.param("<script>alert(1)</script>", id="script"),
    pytest.param("</pre></details></article><img src=x onerror=alert(1)>", id="closing-tags"),
    pytest.param('" onmouseover="alert(1)" x=\'', id="quotes"),
    pytest.param("<!-- --><![CDATA[ ]]><?php ?>", id="comments"),
    pytest.param("&lt;b&gt; &amp; &#60;script&#62;", id="entities"),
    pytest.param("{{ 7 * 7 }} {% raw %} {# #}", id="template"),
    pytest.param("javascript:alert(1)", id="address"),
]


@pytest.mark.parametrize("word", HOSTILE)
def test_no_element_comes_from_what_was_said(tmp_path: Path, word: str) -> None:
    """Hostile text in a journal adds no element to the page, and is shown in full."""
    harmless, hostile = told(tmp_path / "a"), told(tmp_path / "b", word)
    for make in (render.body, render.page):
        page = Page(make(hostile))
        assert page.elements == Page(make(harmless)).elements
        assert page.text.count(word) > 20


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        pytest.param("a\x00b", r"a\u0000b", id="nul"),
        pytest.param("\x1b]0;title\x07", r"\u001b]0;title\u0007", id="terminal-command"),
        pytest.param("ok \N{RIGHT-TO-LEFT OVERRIDE}dessap", r"ok \u202edessap", id="right-to-left"),
        pytest.param("a\N{ZERO WIDTH SPACE}b", r"a\u200bb", id="zero-width"),
        pytest.param("\N{POP DIRECTIONAL ISOLATE}", r"\u2069", id="isolate"),
        pytest.param("a\x9bb", r"a\u009bb", id="c1-control"),
        pytest.param("100%\rdone", r"100%\u000ddone", id="carriage-return"),
    ],
)
def test_what_would_hide_or_reorder_text_is_shown(tmp_path: Path, word: str, seen: str) -> None:
    """Characters that hide or reorder text are shown as their escape codes."""
    html = render.body(told(tmp_path, word))
    assert word not in html
    assert seen in Page(html).text


@pytest.mark.parametrize("word", ["\x1b[31mred\x1b[0m", "red"], ids=["coloured", "plain"])
def test_colours_of_a_terminal_are_left_out(tmp_path: Path, word: str) -> None:
    """Terminal colour codes are removed."""
    assert "docker red" in shown(told(tmp_path, word))


def test_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    """The page contains its style and script, loads nothing, and links only within itself."""
    html = render.page(told(tmp_path))
    assert not re.search(r"<(link|img|iframe)|url\((?!#)|@import|src=", html)
    assert re.findall(r"<script>\n?(.*?)</script>", html, re.DOTALL) == [SCRIPT.read_text(encoding="utf-8")]
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', html))


def test_unclosed_journal_says_so_at_the_top(tmp_path: Path) -> None:
    """The page of a killed run starts with a warning, and shows everything recorded until then."""
    text = shown(told(tmp_path, "WORD", outcome=None))
    assert text.index("This journal is not whole") < text.index("Project")
    assert "not the closing entry" in text
    assert "docker WORD" in text


@pytest.mark.parametrize("line", [1, 2, 9, 20])
def test_changed_journal_says_so_at_the_top(tmp_path: Path, line: int) -> None:
    """The page of a changed journal starts with a warning, and names the changed line."""
    journal = told(tmp_path, "WORD")
    change_byte(journal, line)
    text = shown(journal)
    assert text.index("This journal is not whole: line") < text.index("Project")
    assert f"line {line}: was changed" in text
    assert "whole:" not in text.replace("not whole:", "")


@pytest.mark.parametrize("length", [0, 1, 500, 1500, 4000, 8000])
def test_cut_journal_still_makes_a_page(tmp_path: Path, length: int) -> None:
    """A journal cut at any byte still makes a page that warns about it."""
    journal = told(tmp_path)
    journal.write_bytes(journal.read_bytes()[:length])
    assert "This journal is not whole" in shown(journal)


def test_journal_cut_after_any_line_still_makes_a_page(tmp_path: Path) -> None:
    """A journal cut after any of its lines still makes a page that warns about it."""
    journal = told(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    for count in range(len(lines)):
        journal.write_bytes(b"".join(lines[:count]))
        assert "This journal is not whole" in render.body(journal), count


def test_text_that_is_not_unicode_does_not_lose_the_page(tmp_path: Path) -> None:
    """A lone surrogate in the JSON of an answer does not prevent the page from being written."""
    page = render.render(told(tmp_path, "\ud800"))
    assert "Over: production runs v1 again" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("readiness", "words"),
    [
        pytest.param({"status": 200, "answer": {"database": True}}, "HTTP 200 the same", id="ready"),
        pytest.param({"status": 503, "answer": {"jobs": False}}, "HTTP 503: false for jobs the same", id="not-ready"),
        pytest.param({"status": 200, "answer": ["odd"]}, "odd", id="a-list"),
        pytest.param({"status": None, "answer": "no answer"}, "no answer", id="none"),
        pytest.param({"unknown": "no container"}, "unknown: no container", id="unknown"),
    ],
)
def test_readiness_in_words(tmp_path: Path, readiness: object, words: str) -> None:
    """The comparison shows the readiness answer, or the reason why there is none."""
    journal = Journal(tmp_path / INCIDENT / "journal.jsonl", Redactor())
    unknown = {name: {"unknown": word} for name, word in (("schema", "a"), ("gate", "b"), ("log_errors", "c"))}
    journal.write("fact", name="before", value=snapshot("x", "v2", readiness=readiness, **unknown))
    journal.write("fact", name="after", value=snapshot("x", "v2", readiness=readiness, **unknown))
    journal.close()
    text = shown(journal.path)
    assert words in text
    assert "unknown: c" in text


def test_rendering_writes_beside_the_journal_in_one_step(tmp_path: Path) -> None:
    """The page is written beside its journal, replaces an older page, and leaves no other file."""
    journal = told(tmp_path)
    journal.with_name("record.html").write_text("old")
    assert render.render(journal) == journal.with_name("record.html")
    assert sorted(path.name for path in journal.parent.iterdir()) == ["journal.jsonl", "record.html"]
    assert "old" not in journal.with_name("record.html").read_text()[:20]


def test_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """If the page cannot be written, the error names its path, and the journal is unchanged."""
    journal = told(tmp_path)
    before = journal.read_bytes()
    journal.with_name("record.html").mkdir()
    with pytest.raises(JournalError, match=r"record\.html cannot be written"):
        render.render(journal)
    assert journal.read_bytes() == before


def runbook(*arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "runbook", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def forked(zygote: Zygote, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Run a command like `runbook`, but in a forked process that starts faster."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        said = zygote.command(*arguments, folder=tmp_path, LC_ALL="C")
        return said.exit_code, said.output.decode(), said.errors.decode()

    return run


def test_command_line_verifies(tmp_path: Path, forked: Callable[..., tuple[int, str, str]]) -> None:
    """`verify` exits with 0 for a whole journal and 1 otherwise, and says why, with a line about the page."""
    journal = told(tmp_path)
    whole = f"whole: {len(verify(journal).entries)} entries, head {verify(journal).head}\n"
    assert forked("verify", journal) == (0, f"{whole}page: there is no record.html beside the journal\n", "")
    assert forked("render", journal.parent)[0] == 0
    fits = "page: record.html matches this journal, byte for byte\n"
    assert forked("verify", journal.parent) == (0, whole + fits, "")
    change_byte(journal, 5)
    code, said, errors = forked("verify", journal)
    assert (code, errors) == (1, "")
    assert said.startswith("NOT whole: line 5: ")
    code, said, errors = forked("verify", tmp_path / "none.jsonl")
    assert (code, said) == (1, "")
    assert errors.startswith("runbook: the journal ")
    assert errors.count("\n") == 1


def test_command_line_renders(tmp_path: Path) -> None:
    """`render` prints the page's path, even for a killed run. It exits with 1 without a journal and 2 on misuse."""
    journal = told(tmp_path, outcome=None)
    assert runbook("render", journal) == (0, f"{journal.with_name('record.html')}\n", "")
    assert "This journal is not whole" in journal.with_name("record.html").read_text(encoding="utf-8")
    assert runbook("render", tmp_path / "none.jsonl")[0] == 1
    assert runbook("polish", journal)[0] == 2


def test_documented_check_agrees(tmp_path: Path) -> None:
    """The standalone check in docs/journal.md gives the result of `verify`."""
    script = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "journal.md").read_text(), re.DOTALL)
    assert script is not None
    journal = told(tmp_path)

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-c", script[1], str(journal)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert f"ends with 'closed'; head {verify(journal).head}" in check().stdout
    change_byte(journal, 5)
    assert "line 5 was changed" in check().stderr


KILLED = "This run was killed"


@pytest.mark.parametrize(
    ("opened", "goes_on"),
    [
        pytest.param({}, f"pytest features --resume {INCIDENT} --execute x", id="rollback"),
        pytest.param(
            {"type": "emergency", "incident": "20251218T030000Z-x-emergency"},
            "pytest features -m emergency --resume 20251218T030000Z-x-emergency --execute x",
            id="emergency",
        ),
        pytest.param({"type": "plan", "mode": "plan"}, "", id="plan"),
        pytest.param({"type": "validation", "mode": "validate"}, "", id="validation"),
        pytest.param({"type": "unlock"}, "", id="unlock"),
    ],
)
def test_page_says_how_to_go_on_with_a_killed_run(tmp_path: Path, opened: dict[str, str], goes_on: str) -> None:
    """The page of a killed run shows how to resume it, but only for runs that can be resumed."""
    head = shown(told(tmp_path, outcome=None, **opened)).partition("Took")[0]
    assert KILLED in head
    assert ("To resume: " in head) is bool(goes_on)
    assert goes_on in head


def test_page_of_a_changed_journal_does_not_say_that_the_run_was_killed(tmp_path: Path) -> None:
    """If the journal was changed, the page says that the outcome is unknown, not that the run was killed."""
    journal = told(tmp_path)
    change_byte(journal, len(journal.read_bytes().splitlines()) - 3)
    text = shown(journal)
    assert KILLED not in text
    assert "What stopped it" not in text
    assert "The outcome is unknown: the journal was changed" in text


def test_page_says_that_users_were_not_served_in_the_end(tmp_path: Path) -> None:
    """If the last probe failed, the page says so at the top, and the time without service is a minimum."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute")
    asked = {"url": "http://x", "interval_ms": 250, "deadline_ms": 5000, "began": journal.entries[0]["time"]}
    journal.write("availability", **asked, offsets_ms=[0, 250], statuses=[200, 502], latencies_ms=[1, 1])
    journal.write("closed", outcome="failed", changes_made=[])
    journal.close()
    text = shown(journal.path)
    assert "Users not served since " in text
    assert "UTC, got HTTP 502" in text
    assert "Without service at least" in text


def test_page_says_that_users_were_out_before_it_began(tmp_path: Path) -> None:
    """If the first probe failed, the time without service is a minimum, and the outage began before the run."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute")
    asked = {"url": "http://x", "interval_ms": 250, "deadline_ms": 5000, "began": "2026-01-01T03:00:00.125000Z"}
    journal.write("availability", **asked, offsets_ms=[0, 1250], statuses=[502, 200], latencies_ms=[1, 1])
    journal.write("closed", outcome="failed", changes_made=[])
    journal.close()
    text = shown(journal.path)
    assert text.count("Without service at least 1.2") == 2
    assert "before the run began; first probe 03:00:00.125 03:00:01.375 at least 1.25 s HTTP 502" in text


def test_head_tells_the_times_in_their_order(tmp_path: Path) -> None:
    """The page lists the times of beginning, resumption and end in this order."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute")
    journal.write("closed", outcome="failed", changes_made=[])
    journal.write("resumed", operator="anna", operator_host="laptop")
    journal.write("closed", outcome="failed", changes_made=[])
    journal.close()
    assert re.findall("(Began|Resumed|Ended) .UTC.", shown(journal.path)) == ["Began", "Resumed", "Ended"]


def test_command_to_type_is_quoted(tmp_path: Path) -> None:
    """An incident name with shell characters is quoted in the command to type."""
    text = shown(told(tmp_path, incident="x; touch y"))
    assert "verify 'reports/x; touch y/journal.jsonl'" in text


def test_page_says_how_much_of_an_output_it_shows(tmp_path: Path) -> None:
    """The caption of a cut output or answer says which part is shown; a complete text is never called cut."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened")
    journal.write("scenario began", scenario="S", feature="1. Chapter")
    journal.write("step began", keyword="Given", text="x", scenario="S", place="x:1")
    about = {"directory": None, "stdin_bytes": None, "exit_code": 0, "seconds": 0.1}
    secret = {"bytes": 6258, "kept": "(kept off the record)"}
    journal.write("command", command="a", stdout={"bytes": 6, "kept": "\N{CHECK MARK} up"}, stderr=secret, **about)
    long = {"bytes": 99999, "kept": "x" * 65536, "file": "output/0001-stdout.txt", "sha256": "0" * 64}
    journal.write("command", command="b", stdout=long, stderr={"bytes": 0, "kept": ""}, **about)
    for body, characters in (("short", 40), ("y" * 4096, 5000)):
        answer = {"status": 200, "seconds": 0.1, "body": body, "body_characters": characters}
        journal.write("exchange", method="GET", url=f"http://{body[:5]}", sent=None, **answer)
    journal.write("closed", outcome="passed")
    journal.close()
    captions = re.findall(r"<figcaption>([^<;]*)", render.body(journal.path))
    assert captions == [
        "output",
        "standard error",
        "output, the last 65,536 characters of 99,999 bytes",
        "answer",
        "answer, the first 4,096 characters of 5,000",
    ]


def test_page_says_how_to_check_it_against_the_announcement(tmp_path: Path) -> None:
    """If a journal head was announced, the page shows the `--head` option, with the hash left to the reader."""
    option = "<code>--head HASH</code>"
    assert option not in render.body(told(tmp_path / "one"))
    journal = told(tmp_path / "other")
    change = {
        "kind": "action",
        "state": "done",
        "scope": "people",
        "receipts": [],
        "action": "announce",
        "summary": "announced",
    }
    change["commands"] = []
    change["message"] = {"title": "over", "head": "ab" * 32, "text": f"Incident {INCIDENT}, journal head {'ab' * 32}."}
    lines = lines_in(journal)
    put(journal, sealed_anew([*lines[:-1], resealed(lines[-2], **change), lines[-1]]))
    assert option in render.body(journal)


def step(write: Any, number: int, outcome: str = "passed", *, kept: str = "said", changes: bool = False) -> None:
    text = f"container {number} runs the pinned digest"
    write("step began", id="1.1.1", keyword="Then", text=text, scenario="s", place="1_chapter.feature:3")
    streams = {"stdout": {"bytes": len(kept), "kept": kept}, "stderr": {"bytes": 0, "kept": ""}}
    about = {"directory": "/srv", "stdin_bytes": None, "exit_code": 0, "seconds": 0.1}
    write("command", command=f"docker inspect {number}", **about, **streams)
    if changes:
        write("action", summary="x", scope="production", state="done", seconds=0.1, receipts=[])
    write("step ended", outcome=outcome, detail="", seconds=0.1)


def long_record(folder: Path, count: int) -> Journal:
    journal = Journal(folder / INCIDENT / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute", incident=INCIDENT)
    journal.write("scenario began", scenario="s", feature="1. A chapter", description="")
    for number in range(count):
        step(journal.write, number)
    return journal


def test_each_output_is_capped(tmp_path: Path) -> None:
    """Of an output that is longer than the journal keeps (in a forged journal), the page shows the last 64 KiB."""
    journal = long_record(tmp_path, 0)
    step(journal.write, 1, kept="a" + "<" * 64 * 1024)
    journal.close()
    html = render.body(journal.path)
    assert "&lt;" * 64 * 1024 in html
    assert "a&lt;" not in html
    assert "the last 65,536 characters of 65,537 bytes" in html


@pytest.mark.parametrize(("count", "detailed"), [(996, True), (998, False)])
def test_very_long_record_tells_every_step(tmp_path: Path, count: int, detailed: bool) -> None:  # noqa: FBT001
    """Above 1,000 steps, only steps that changed production or failed keep details. Every step is listed."""
    journal = long_record(tmp_path, count)
    step(journal.write, 7001, changes=True)
    step(journal.write, 7002, "failed")
    step(journal.write, 7003)
    journal.close()
    html = render.body(journal.path)
    assert all(f"container {number} runs the pinned digest" in html for number in (0, count - 1, 7001, 7002, 7003))
    assert ("docker inspect 0<" in html, "docker inspect 7003<" in html) == (detailed, detailed)
    assert "docker inspect 7001<" in html
    assert "docker inspect 7002<" in html
    assert ("This record is very long" in html) is not detailed
    # A record of 10,000 steps thus stays below 5 MB.
    assert detailed or len(html.encode()) / (count + 3) < 480
