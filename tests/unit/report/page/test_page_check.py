"""The check that a page comes from the journal beside it. Each possible difference has its own result."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.page import render
from runbook.report.page.page_check import CheckedPage, Page, check_page
from runbook.secrets.redactor import Redactor
from tests.support.forging import lines_in, put, resealed, rewritten, sealed_anew
from tests.support.telling import told

ROOT = Path(__file__).parents[4]


def checked(journal: Path) -> CheckedPage:
    return check_page(journal, verify(journal))


def rendered(folder: Path, word: str = "x") -> Path:
    journal = told(folder, word)
    render.render(journal)
    return journal


def change_page(journal: Path, change: Callable[[str], str]) -> Path:
    page = journal.with_name("record.html")
    before = page.read_text(encoding="utf-8")
    page.write_text(change(before), encoding="utf-8")
    assert page.read_text(encoding="utf-8") != before
    return journal


def gone_on(journal: Path) -> None:
    """Add a resumed run to the incident's journal."""
    again = Journal(journal, Redactor(), go_on=True)
    about = ("seq", "time", "kind", "format", "previous", "sha256")
    again.write("resumed", **{name: value for name, value in again.entries[0].items() if name not in about})
    again.write("closed", outcome="passed")
    again.close()


def test_rendered_page_fits(tmp_path: Path) -> None:
    """A page made by `render` matches its journal, even with odd characters in the output."""
    found = checked(rendered(tmp_path, 'a\x00b\r\n<b>"ä" \u202e'))
    assert found.kind is Page.FITS
    assert found.good


def test_page_of_a_moved_folder_fits(tmp_path: Path) -> None:
    """A page still matches after its folder was moved and renamed."""
    journal = rendered(tmp_path)
    moved = journal.parent.rename(tmp_path / "kept")
    assert checked(moved / journal.name).kind is Page.FITS


def test_page_of_a_journal_that_is_not_whole_fits(tmp_path: Path) -> None:
    """The page of a killed run's journal matches that journal."""
    journal = told(tmp_path, outcome=None)
    render.render(journal)
    assert checked(journal).kind is Page.FITS


def test_no_page_is_said_and_is_no_error(tmp_path: Path) -> None:
    """A journal without a page is reported, and is not an error."""
    found = checked(told(tmp_path))
    assert (found.kind, found.good) == (Page.NONE, True)
    assert "no record.html" in found.words


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(lambda page: page.replace("<h1>Over", "<h1>0ver", 1), Page.DIFFERS, id="word"),
        pytest.param(lambda page: page.replace("</article>", "<p>x</p></article>", 1), Page.DIFFERS, id="added"),
        pytest.param(lambda page: page.replace('<article class="rb"', "<article", 1), Page.DIFFERS, id="no-record"),
        pytest.param(
            lambda page: page.replace("<body>", '<body><article class="rb">All is well</article>'),
            Page.DIFFERS,
            id="second-record",
        ),
        pytest.param(lambda page: re.sub('head="....', 'head="0000', page), Page.OTHER_JOURNAL, id="head"),
        pytest.param(lambda page: re.sub(' data-journal-head="[^"]*"', "", page), Page.NOT_COMPARED, id="no-head"),
        pytest.param(lambda _page: "", Page.DIFFERS, id="empty"),
    ],
)
def test_page_that_does_not_come_from_the_journal_is_told(
    tmp_path: Path, change: Callable[[str], str], kind: Page
) -> None:
    """An edited page, a page of another journal and a page without a journal head get different results."""
    found = checked(change_page(rendered(tmp_path), change))
    assert found.kind is kind
    assert not found.good


def test_page_of_another_journal_is_told(tmp_path: Path) -> None:
    """A page of another journal does not match, and neither does a page from before the journal was rewritten."""
    journal, other = rendered(tmp_path / "a"), rendered(tmp_path / "b", "other")
    own = journal.with_name("record.html").read_bytes()
    journal.with_name("record.html").write_bytes(other.with_name("record.html").read_bytes())
    assert checked(journal).kind is Page.OTHER_JOURNAL
    journal.with_name("record.html").write_bytes(own)
    put(journal, sealed_anew(rewritten(3)(lines_in(journal))))
    assert verify(journal).whole
    assert checked(journal).kind is Page.OTHER_JOURNAL


def test_journal_of_which_no_page_can_be_made_is_told(tmp_path: Path) -> None:
    """If a forged journal lacks entries that a page needs, the check says so without a traceback."""
    journal = rendered(tmp_path)
    head = verify(journal).head
    lines = lines_in(journal)
    nameless = [resealed(line, kind="step began") if b'"kind":"closed"' in line else line for line in lines]
    put(journal, sealed_anew(nameless))
    change_page(journal, lambda page: page.replace(head, verify(journal).head))
    found = checked(journal)
    assert not found.good
    assert "cannot make a page of this journal" in found.words


def test_page_from_before_a_resumed_run_is_told(tmp_path: Path) -> None:
    """A page older than a resumed run is reported with the last entry that it covers, and can be rendered again."""
    journal = rendered(tmp_path)
    entries = len(verify(journal).entries)
    gone_on(journal)
    found = checked(journal)
    assert found.kind is Page.OLDER
    assert f"when entry {entries - 1} was the last one" in found.words
    render.render(journal)
    assert checked(journal).kind is Page.FITS


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda page: re.sub(' data-journal-head="[^"]*"', "", page), id="no-head"),
        pytest.param(lambda page: page.replace("<h1>Over", "<h1>0ver", 1), id="word"),
        pytest.param(None, id="older"),
    ],
)
def test_command_that_renders_again_is_whole(tmp_path: Path, change: Callable[[str], str] | None) -> None:
    """The suggested command makes a matching page from any folder. A page that differs is kept beside the new page."""
    journal = rendered(tmp_path / "a b")
    if change is None:
        gone_on(journal)
    else:
        change_page(journal, change)
    found = checked(journal)
    command = found.words.partition(", type ")[2]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=True)
    assert checked(journal).kind is Page.FITS
    assert journal.with_name("record.html.found").exists() == (found.kind is Page.DIFFERS)


@pytest.mark.parametrize("outcome", ["passed", None])
def test_page_is_not_accused_of_what_was_done_to_its_journal(tmp_path: Path, outcome: str | None) -> None:
    """If a line was appended to the journal, an unedited page matches its valid part, and an edited one is unknown."""
    journal = told(tmp_path, outcome=outcome)
    render.render(journal)
    put(journal, [*lines_in(journal), b'{"x":1}\n'])
    found = checked(journal)
    assert (found.kind, found.good) == (Page.FITS_VALID_PART, True)
    assert found.words.startswith(
        f"record.html matches the valid part of this journal, up to line {len(verify(journal).entries)},"
    )
    change_page(journal, lambda page: page.replace("</article>", "<p>x</p></article>"))
    found = checked(journal)
    assert (found.kind, found.good) == (Page.UNKNOWN, False)
    assert found.words.startswith("record.html names this journal's head but differs from it: the journal was changed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A journal with its page, and the original bytes of that page."""
    journal = rendered(tmp_path_factory.mktemp("whole"))
    return journal, journal.with_name("record.html").read_bytes()


@settings(deadline=None)
@given(st.data())
def test_any_changed_byte_of_the_record_is_told(whole: tuple[Path, bytes], data: st.DataObject) -> None:
    """Changing any byte of the record in the page makes the check fail."""
    journal, page = whole
    content = bytearray(page)
    begin, end = content.index(b"<article"), content.index(b"</article>") + len(b"</article>")
    place = data.draw(st.integers(begin, end - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    journal.with_name("record.html").write_bytes(content)
    assert checked(journal).kind is not Page.FITS
