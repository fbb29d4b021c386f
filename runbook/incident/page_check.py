"""Whether the page beside a journal comes from that journal."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runbook.errors import JournalError
from runbook.incident import record
from runbook.incident.damage import BROKEN_OFF
from runbook.incident.edition import edition
from runbook.incident.verifying import Verified, check

PAGE = "record.html"
_OPENING = b'<article class="rb'
_ARTICLE = re.compile(rb'<article class="rb[" ][^>]*>.*</article>', re.DOTALL)
_HEAD = re.compile(rb' data-journal-head="([0-9a-f]{64})"')
_EDITION = re.compile(rb' data-templates="([0-9a-f]{64})"')


class Page(StrEnum):
    """What a page can be to a journal."""

    #: There is none.
    NONE = "none"
    #: It says what the journal says, byte for byte.
    FITS = "fits"
    #: The same, but for the name of the edition that made it.
    FITS_OTHER_EDITION = "fits, of another edition"
    #: It says what can be believed of a journal that was changed since.
    FITS_BELIEVED = "fits what can be believed"
    #: Its journal was changed, so nobody can tell.
    UNKNOWN = "unknown"
    #: It was made by another edition, which may say the same in other words.
    OTHER_EDITION = "of another edition"
    #: It was made from this journal when that was shorter.
    OLDER = "older"
    #: It was made from another journal, or from this one before that was changed.
    OTHER_JOURNAL = "of another journal"
    EDITED = "edited"


@dataclass(frozen=True)
class CheckedPage:
    """What the page is, and that in words."""

    kind: Page
    words: str

    @property
    def good(self) -> bool:
        """Tell whether nothing speaks against it. One that cannot be compared is not good."""
        return self.kind in (Page.NONE, Page.FITS, Page.FITS_OTHER_EDITION, Page.FITS_BELIEVED)


def check_page(journal: Path, verified: Verified) -> CheckedPage:
    """Hold the page beside `journal`, which is `verified`, against the one that is made from it now.

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
        return CheckedPage(Page.EDITED, f"{PAGE} holds no record as the runbook makes it")
    opening = article[: article.index(b">")]
    head, made_by = _HEAD.search(opening), _EDITION.search(opening)
    if head is None or made_by is None:
        words = f"{PAGE} does not name its journal's head: an earlier version of the runbook made it, or it was changed"
        return CheckedPage(Page.OTHER_EDITION, f"{words}; render it again to be sure")
    if head[1].decode() != verified.head:
        return _of_other_head(head[1].decode(), verified)
    return _same(article, made_by, journal, verified)


def _same(article: bytes, made_by: re.Match[bytes], journal: Path, verified: Verified) -> CheckedPage:
    article = article.replace(made_by[0], _named(edition()), 1)
    fits_believed = False
    try:
        fits = article == _article_of(record.body(journal, verified))
        if not fits and not verified.whole:
            # The page may have been made before the journal was changed.
            believed = check(journal, journal.read_bytes()[: verified.size])
            fits_believed = article == _article_of(record.body(journal, believed))
    except Exception as error:  # noqa: BLE001 - forged entries can lack anything, and this is no reason to end
        words = f"{PAGE} cannot be compared: this version cannot make the page of this journal ({error!r})"
        return CheckedPage(Page.OTHER_EDITION, words)
    same_edition = made_by[1].decode() == edition()
    if fits:
        kind, by = (Page.FITS, "") if same_edition else (Page.FITS_OTHER_EDITION, ", made by another version")
        return CheckedPage(kind, f"what {PAGE} tells comes from this journal, to the byte{by}")
    if fits_believed:
        words = f"what {PAGE} tells comes from the lines of this journal that can be believed, to the byte"
        return CheckedPage(Page.FITS_BELIEVED, words)
    if same_edition and not verified.whole and verified.damage not in BROKEN_OFF:
        words = f"whether {PAGE} was changed cannot be told, as its journal was: its head fits, what it tells does not"
        return CheckedPage(Page.UNKNOWN, words)
    if same_edition:
        words = f"{PAGE} was changed after it was made: its head fits, and what it tells does not"
        return CheckedPage(Page.EDITED, words)
    words = f"{PAGE} was made by another version of the runbook; its head fits; render it again to be sure"
    return CheckedPage(Page.OTHER_EDITION, words)


def _article_of(body: str) -> bytes | None:
    return _article(body.encode("utf-8"))


def _article(page: bytes) -> bytes | None:
    """The one record in a page."""
    found = _ARTICLE.search(page)
    return found[0] if found is not None and page.count(_OPENING) == 1 else None


def _named(made_by: str) -> bytes:
    return f' data-templates="{made_by}"'.encode("ascii")


def _of_other_head(head: str, verified: Verified) -> CheckedPage:
    entry = verified.entry_of(head)
    if entry is None:
        words = f"{PAGE} is not from this journal as it is: it was made from one with the head {head}"
        return CheckedPage(Page.OTHER_JOURNAL, words)
    return CheckedPage(
        Page.OLDER, f"{PAGE} was made when entry {entry} was the last one of this journal; render it again"
    )
