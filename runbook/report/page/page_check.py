"""Whether the page beside a journal comes from that journal."""

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
    FITS_BELIEVED = "fits what can be believed"
    UNKNOWN = "unknown"
    NOT_COMPARED = "not compared"
    OLDER = "older"
    OTHER_JOURNAL = "of another journal"
    DIFFERS = "differs"


@dataclass(frozen=True)
class CheckedPage:
    """The finding, and in words."""

    kind: Page
    words: str

    @property
    def good(self) -> bool:
        """Whether nothing is wrong. A page that cannot be compared is not good."""
        return self.kind in (Page.NONE, Page.FITS, Page.FITS_BELIEVED)


def check_page(journal: Path, verified: Verified) -> CheckedPage:
    """Compare the page beside `journal`, which is `verified`, with the one that is made from it now.

    Only the record itself is compared, its `article`; pytest-html's own table stands around it. Raises JournalError
    when the page cannot be read.
    """
    path = journal.with_name(PAGE)
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return CheckedPage(Page.NONE, f"there is no {PAGE} beside the journal")
    except OSError as error:
        raise JournalError(f"the page {path} cannot be read ({error.strerror})", "mend its permissions") from error
    return _compared(found, journal, verified)


def _compared(found: bytes, journal: Path, verified: Verified) -> CheckedPage:
    article = _article(found)
    if article is None:
        return CheckedPage(Page.DIFFERS, f"{PAGE} holds no record as the runbook makes it")
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
            return CheckedPage(Page.FITS, f"what {PAGE} tells comes from this journal, to the byte")
        # The page may have been made before the journal was changed.
        believed = None if verified.whole else check(journal, BytesIO(journal.read_bytes()[: verified.size]))
        if believed and article == _article_of(render.body(journal, believed)):
            words = f"what {PAGE} tells comes from the lines of this journal that can be believed, to the byte"
            return CheckedPage(Page.FITS_BELIEVED, words)
    except Exception as error:  # noqa: BLE001 - forged entries can lack anything, and this is no reason to end
        words = f"{PAGE} cannot be compared: this version cannot make the page of this journal ({error!r})"
        return CheckedPage(Page.NOT_COMPARED, words)
    if not verified.whole and not verified.broken_off:
        words = f"whether {PAGE} was changed cannot be told, as its journal was: its head fits, what it tells does not"
        return CheckedPage(Page.UNKNOWN, words)
    words = f"{PAGE} tells something else than its journal, although its head fits: it was changed, or another version"
    aside = shlex.join(["cp", "--", str(journal.with_name(PAGE)), str(journal.with_name(f"{PAGE}.found"))])
    words = f"{words} of the runbook made it; to keep it and render it again, type"
    return CheckedPage(Page.DIFFERS, f"{words} {aside} && {render_command(journal)}")


def _article_of(body: str) -> bytes | None:
    return _article(body.encode("utf-8"))


def _article(page: bytes) -> bytes | None:
    """The one record in a page."""
    found = _ARTICLE.search(page)
    return found[0] if found is not None and page.count(_OPENING) == 1 else None


def _of_other_head(head: str, journal: Path, verified: Verified) -> CheckedPage:
    entry = verified.entry_of(head)
    if entry is None:
        words = f"{PAGE} is not from this journal as it is: it was made from one with the head {head}"
        return CheckedPage(Page.OTHER_JOURNAL, words)
    words = f"{PAGE} was made when entry {entry} was the last one of this journal"
    return CheckedPage(Page.OLDER, f"{words}; to render it again, type {render_command(journal)}")
