"""The page helpers detect the faults of a bad page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.looking import faint, violations
from tests.browser.paper import printed

_BAD = """<!DOCTYPE html><html lang="en"><title>x</title><style>@page { margin: 15mm }</style><main><h1>x</h1>
<p style="color: #777; background: #fff">grey</p><p style="color: #aaa; background: #fff">pale</p><p>plain</p>
<img src="data:,"><p style="white-space: nowrap; width: 100px">%s</p></main>"""


@pytest.fixture
def bad(browser: Browser) -> Iterator[Page]:
    """A page with an image without alternative text, pale text, and a line that does not fit on paper."""
    page = browser.new_page()
    page.set_content(_BAD % ("never broken " * 40 + "at its end"))
    yield page
    page.close()


def test_axe_is_awake(bad: Page) -> None:
    """The faults are found with all of axe's rules, with named rules, and with all but one."""
    assert "image-alt" in violations(bad)
    assert "color-contrast" in violations(bad)
    assert "image-alt" in violations(bad, without="color-contrast")
    assert "color-contrast" not in violations(bad, without="color-contrast")
    assert "color-contrast" in violations(bad, "color-contrast")
    assert "image-alt" not in violations(bad, "color-contrast")


def test_pale_text_is_seen(bad: Page) -> None:
    """Text counts as too faint if its contrast is below the requested one."""
    assert faint(bad, "p", 7).splitlines() == ["4.5 p.", "2.3 p."]
    assert faint(bad, "p", 4).splitlines() == ["2.3 p."]
    assert not faint(bad, "p", 2)


def test_paper_is_read(bad: Page) -> None:
    """The margins are measured, and text beyond the paper's edge is missing."""
    sheets = printed(bad, "A4")
    assert 14 < sheets.left < 17
    assert 14 < sheets.right < 20
    assert "never broken" in sheets.texts[0]
    assert "at its end" not in sheets.texts[0]
