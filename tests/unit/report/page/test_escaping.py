"""Property test: no text from commands, answers, logs or files becomes an element of the page."""

import warnings
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import html5lib
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runbook.report.page import render
from tests.support.campaigns import examples
from tests.support.telling import told

#: Typical failures of escaping: ends of elements, attributes, comments and scripts; entities; odd characters.
_PIECES = (
    "<script>", "</script>", "<!--", "-->", "<![CDATA[", "]]>", "<?php", "?>", "</pre>", "</style>", "</article>",
    "</body>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<plaintext>", "<template>",
    "<a href='javascript:alert(1)'>", "<b", "<", ">", "</", "/>", '"', "'", "`", "=", "&", "&lt;", "&#60;", "&#x3c;",
    "&amp;lt;", ";", " onclick=x ", "data-x=", "{{", "}}", "{%", "%}", "{#", "#}", "\x00", "\x0b", "\x0c", "\x1b[31m",
    "\x9b", "\x7f", "\r", "\n", "\t", "\u2028", "\ufeff", "\u202e", "\ufffe", "\ud800", "\udcff",
    "\uff1cscript\uff1e", "ä", "\U0001f600",
)  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=5)), min_size=1, max_size=12).map("".join)


class _Elements(HTMLParser):
    """The elements of a page as Python's parser finds them, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, _data: str) -> None:
        self.found.append(("comment", ()))

    def handle_decl(self, _decl: str) -> None:
        self.found.append(("declaration", ()))

    def handle_pi(self, _data: str) -> None:
        self.found.append(("instruction", ()))

    def unknown_decl(self, _data: str) -> None:
        self.found.append(("declaration", ()))


def as_browsers_do(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the elements of a page as the HTML standard defines them, which is how browsers see them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # html5lib warns about characters that it replaces
        tree = html5lib.parse(page, namespaceHTMLElements=False)
    return [(str(element.tag), tuple(sorted(map(str, element.attrib)))) for element in tree.iter()]


def page_of(word: str) -> str:
    """Return the page of an incident in which every recorded text contains `word`."""
    with TemporaryDirectory() as folder:
        return render.page(told(Path(folder), word))


@cache
def harmless(word: str) -> tuple[list[tuple[str, tuple[str, ...]]], list[tuple[str, tuple[str, ...]]]]:
    page = page_of(word)
    return _Elements(page).found, as_browsers_do(page)


@settings(max_examples=examples(150, 500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE)
@example("</pre></details></article><script>alert(1)</script>")
@example('" onmouseover="alert(1)" x="')
def test_no_element_comes_from_what_was_said(word: str) -> None:
    """A page with hostile text has the elements and attributes of a page with harmless text."""
    page = page_of(word)
    # Empty text and white space leave out elements that a word would have.
    plain = harmless("x" if word.strip() else word)
    assert _Elements(page).found == plain[0]
    assert as_browsers_do(page) == plain[1]
