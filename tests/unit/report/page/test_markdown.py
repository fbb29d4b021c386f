"""The short record as Markdown: it says what the page says, and no text of a journal becomes markup."""

import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runbook.journal.verify import verify
from runbook.report.page import job_summary, render
from runbook.text import visible
from tests.support.campaigns import examples
from tests.support.telling import told

#: The Markdown tokens that the template itself produces.
OURS = {"heading", "paragraph", "blockquote", "bullet_list", "list_item", "strong", "inline", "text", "code_inline"}
OURS |= {"fence", "softbreak", "text_special"}
READER = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])


def markdown(journal: Path) -> str:
    return render.markdown(journal, verify(journal))


def tokens(text: str) -> list[Token]:
    return [leaf for token in READER.parse(text) for leaf in (token, *(token.children or ()))]


def kinds(text: str) -> list[str]:
    """Return the kinds of tokens in the text, without text tokens."""
    found = [re.sub("_(open|close)$", "", token.type) for token in tokens(text)]
    return [kind for kind in found if kind not in ("text", "text_special")]


def shown(text: str) -> str:
    """Return the words that a reader sees, without white space."""
    seen = (token.content for token in tokens(text) if token.type != "inline")
    return "".join("".join(seen).split())


HOSTILE = (
    "<script>alert(1)</script>", "<!-- x", "&lt;b&gt;", "](http://evil)", "![x](http://evil/y)", "**x** __y__ ~~z~~",
    "# x", "- x", "1. x", "1) x", "---", "===", "> x", "| a | b |\n|---|---|", "```\nx\n```", "`x` ``y", "x\n\n# y",
    "\\", "\\*", "$x$", "@team", "http://evil", "www.evil.com", "    x", "\tx", "[x]: http://evil", "a_b_c _d_",
    "* * *", "+", "\x1b[2J", "a\rb\r\nc", "\N{RIGHT-TO-LEFT OVERRIDE}x", "~~~", "<http://evil>", "x  \ny", "- [ ] x",
    "[^1]",
)  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
def test_nothing_in_a_journal_is_markdown(tmp_path: Path, word: str) -> None:
    """Hostile text in a journal does not change the structure of the Markdown, and is shown."""
    text = markdown(told(tmp_path / "hostile", word))
    assert kinds(text) == kinds(markdown(told(tmp_path / "plain", "word")))
    assert set(kinds(text)) <= OURS
    assert "".join(visible(f"evidence {word}").split()) in shown(text)
    # GitHub makes links of these anywhere in plain text.
    plain = re.sub(r"(?s)(`+).*?\1", "", text)
    assert not re.search(r"(?<!\\)[@$<]|(?<!\w)www\.|://", plain)
    assert not set(text) & {"\x1b", "\r", "\N{RIGHT-TO-LEFT OVERRIDE}"}


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="ab 1.)#+-=*_`~<>[]()!|\\&$@:/\n\t", min_size=1, max_size=12))
@example("1.")
@example("#")
def test_no_words_are_markdown(tmp_path_factory: pytest.TempPathFactory, word: str) -> None:
    """Random combinations of Markdown characters in a journal do not change the structure of the Markdown."""
    text = markdown(told(tmp_path_factory.mktemp("hostile"), word))
    plain = markdown(told(tmp_path_factory.mktemp("plain"), "word" if word.strip() else " "))
    assert kinds(text) == kinds(plain)


def test_page_and_markdown_tell_the_same_steps_and_outcomes(tmp_path: Path) -> None:
    """Page and Markdown agree on the steps, their order and outcomes, the headline and the decisions."""
    journal = told(tmp_path, "WORD", outcome="failed")
    page, text = render.body(journal), markdown(journal)
    rows = re.findall(
        r'<summary>.*?<b>(\w+)</b> (.*?)(?: <em>(.*?)</em>)?</span><span class="rb-badge[^>]*>(.*?)<', page
    )
    lines = re.findall(
        r"^    - [\d:]{8} \**([\w ]+?)\** (Given|When|Then) (.*?)(?: \(([\w, ]+)\))?, [\d.]+ s", text, re.MULTILINE
    )
    assert [(k, unescape(w), change, outcome) for k, w, change, outcome in rows] == [
        (keyword, words, change, outcome) for outcome, keyword, words, change in lines
    ]
    assert len(rows) == 5
    headline = re.findall("<h1>(.*?)</h1>", page)[0]
    assert text.startswith(f"# {headline}\n")
    assert re.findall(r'<p class="rb-answer">(.*?)</p>', page)[0] == "WORD"
    assert "- WORD **WORD**\n    - evidence WORD\n" in text


def test_what_is_to_be_typed_stands_by_itself(tmp_path: Path) -> None:
    """Each command to resume a killed run is a code block that contains nothing else."""
    text = markdown(told(tmp_path, outcome=None, project="shop"))
    blocks = [token.content for token in tokens(text) if token.type == "fence"]
    assert blocks
    assert all(" --resume " in block and block.endswith(" --execute shop\n") for block in blocks)


def test_job_summary_is_appended(tmp_path: Path) -> None:
    """The record is appended to the CI job summary. Without a job summary nothing is written."""
    journal, summary = told(tmp_path), tmp_path / "summary.md"
    summary.write_text("before\n")
    assert job_summary.append(journal, {}) == ""
    assert job_summary.append(journal, {"GITHUB_STEP_SUMMARY": str(summary)}) == ""
    assert summary.read_text(encoding="utf-8") == f"before\n{markdown(journal)}"


@pytest.mark.parametrize("before", [0, job_summary.MOST - 2000, job_summary.MOST - 10, job_summary.MOST + 1])
def test_job_summary_stays_below_githubs_limit(tmp_path: Path, before: int) -> None:
    """A job summary over GitHub's limit is cut and says where the whole record is; without room nothing is written."""
    journal, summary = told(tmp_path, "\N{SNOWMAN}" * 30_000), tmp_path / "summary.md"
    summary.write_bytes(b"x" * before)
    assert job_summary.append(journal, {"GITHUB_STEP_SUMMARY": str(summary)}) == ""
    written = summary.read_bytes()[before:]
    assert before > job_summary.MOST or before + len(written) <= job_summary.MOST
    assert not written or written.decode().endswith("record.html has the whole record.\n")
    assert bool(written) == (before < job_summary.MOST - 10)


def test_job_summary_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """If the job summary cannot be written, or the journal cannot be read, a message says so without an error."""
    journal = told(tmp_path)
    assert "the job's summary was not written" in job_summary.append(journal, {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    summary = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    assert "cannot be read" in job_summary.append(tmp_path / "none", summary)
