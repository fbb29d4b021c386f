"""Check that the page beside a journal was made from that journal."""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path

from runbook.command_hints import render_command
from runbook.errors import JournalError
from runbook.journal.verify import Verified, check
from runbook.report.page import render

PAGE = "record.html"
_OPENING = b'<article class="rb'
_ARTICLE = re.compile(rb'<article class="rb[" ][^>]*>.*</article>', re.DOTALL)
_HEAD = re.compile(rb' data-journal-head="([0-9a-f]{64})"')


class Page(StrEnum):
    """How a page relates to the journal beside it."""

    NONE = "none"
    FITS = "fits"
    FITS_VALID_PART = "fits the valid part"
    UNKNOWN = "unknown"
    NOT_COMPARED = "not compared"
    OLDER = "older"
    OTHER_JOURNAL = "of another journal"
    DIFFERS = "differs"


@dataclass(frozen=True)
class CheckedPage:
    """The result of `check_page`, and the same in words."""

    kind: Page
    words: str

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with the page. A page that cannot be compared is not good."""
        return self.kind in (Page.NONE, Page.FITS, Page.FITS_VALID_PART)


def check_page(journal: Path, verified: Verified) -> CheckedPage:
    """Compare the page beside `journal` with the page that this version makes from it.

    `verified` is the result of verifying the journal. Only the record's `article` is compared, not pytest-html's table
    around it. Raises JournalError if the page cannot be read.
    """
    path = journal.with_name(PAGE)
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return CheckedPage(Page.NONE, f"there is no {PAGE} beside the journal")
    except OSError as error:
        raise JournalError(f"the page {path} cannot be read ({error.strerror})", "fix its permissions") from error
    return _compared(found, journal, verified)


def _compared(found: bytes, journal: Path, verified: Verified) -> CheckedPage:
    article = _article(found)
    if article is None:
        return CheckedPage(Page.DIFFERS, f"{PAGE} does not contain exactly one record")
    head = _HEAD.search(article[: article.index(b">")])
    if head is None:
        again = f"to render it again, type {render_command(journal)}"
        words = f"{PAGE} does not name its journal's head: it was changed; {again}"
        return CheckedPage(Page.NOT_COMPARED, words)
    if head[1].decode() != verified.head:
        return _of_other_head(head[1].decode(), journal, verified)
    return _same(article, journal, verified)


def _same(article: bytes, journal: Path, verified: Verified) -> CheckedPage:
    try:
        if article == _article_of(render.body(journal, verified)):
            return CheckedPage(Page.FITS, f"{PAGE} matches this journal, byte for byte")
        # The page may have been made before the journal was damaged.
        valid = None if verified.whole else check(journal, BytesIO(journal.read_bytes()[: verified.size]))
        if valid and article == _article_of(render.body(journal, valid)):
            words = f"{PAGE} matches the valid part of this journal, up to line {len(verified.entries)}, byte for byte"
            return CheckedPage(Page.FITS_VALID_PART, words)
    except Exception as error:  # noqa: BLE001 - forged entries can lack any member, and `verify` must still end normally
        words = f"{PAGE} cannot be compared: this version of the runbook cannot make a page of this journal ({error!r})"
        return CheckedPage(Page.NOT_COMPARED, words)
    if not verified.whole and not verified.broken_off:
        words = f"{PAGE} names this journal's head but differs from it: the journal was changed, perhaps the page too"
        return CheckedPage(Page.UNKNOWN, words)
    words = f"{PAGE} names this journal's head but differs from it: the page was changed, or another version"
    aside = shlex.join(["cp", "--", str(journal.with_name(PAGE)), str(journal.with_name(f"{PAGE}.found"))])
    words = f"{words} of the runbook made it; to keep it and render it again, type"
    return CheckedPage(Page.DIFFERS, f"{words} {aside} && {render_command(journal)}")


def _article_of(body: str) -> bytes | None:
    return _article(body.encode("utf-8"))


def _article(page: bytes) -> bytes | None:
    """Return the record in a page; None if there is none, or more than one."""
    found = _ARTICLE.search(page)
    return found[0] if found is not None and page.count(_OPENING) == 1 else None


def _of_other_head(head: str, journal: Path, verified: Verified) -> CheckedPage:
    entry = verified.entry_of(head)
    if entry is None:
        words = f"{PAGE} is from another journal, or from this one before it was rewritten: it names the head {head}"
        return CheckedPage(Page.OTHER_JOURNAL, words)
    words = f"{PAGE} was made when entry {entry} was the last one of this journal"
    return CheckedPage(Page.OLDER, f"{words}; to render it again, type {render_command(journal)}")
