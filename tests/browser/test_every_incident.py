"""The record of every incident that can be rehearsed, and of runs that died, in a real Chromium and on paper.

The engine tests made the records and kept them with `tests.support.keeping`. If these tests run without them, they
rehearse two incidents. The expected content of a page is taken from its journal.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looking import faint, unfold, violations
from tests.browser.paper import printed
from tests.browser.told import Told, missing, out_of_order, squeezed
from tests.support.campaigns import WHOLE
from tests.support.keeping import HEADLINES, LEFT_OUT, keep, kept

ROOT = Path(__file__).parents[2]
REHEARSED_HERE = ("regression", "breaking-migration")
REHEARSAL_DEADLINE = 400  # seconds
CONTRAST = "color-contrast"
#: The records whose contrast axe measures as well. Every record's contrast is measured by the tests themselves.
SAMPLE = ("export-leak", "full-disk", "killed")
#: Body text, as opposed to notes and labels.
BODY = """h1, h2, .rb-chapter, .rb-scenario:not(.rb-left-out) h4, article pre, .rb-answer, .rb-decision li,
.rb-s > summary > span:not(.rb-badge), .rb-lines, article td, article p:not(.rb-note, .rb-kind, .rb-practice, .rb-alarm,
.rb-warning, .rb-checked, .rb-bad), article dd:not(.rb-note)"""


@dataclass
class Shown:
    """A record's page in a browser, the requests it made, and the browser's complaints."""

    page: Page
    told: Told
    address: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=HEADLINES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a record."""
    return request.param


@pytest.fixture(scope="module")
def record(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that record."""
    if kept(name) is None and "CI" not in os.environ and name in REHEARSED_HERE:
        rehearse(name, tmp_path_factory.mktemp("rehearsed"))
    folder = kept(name)
    if folder is None and "CI" not in os.environ:
        pytest.skip(f"nobody kept a record of {name} in this session → run tests/engine with it")
    if folder is None and name in LEFT_OUT and not WHOLE:
        pytest.skip("nobody keeps it by default: script/test --campaigns")
    assert folder is not None, f"no test of this session kept a record of {name}: did the one that makes it fail?"
    return folder / "record.html"


def rehearse(name: str, reports: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "features", "--rehearse", name, "--reports", str(reports)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=REHEARSAL_DEADLINE, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    keep(name, next(reports.glob("*-rehearsal")))


@pytest.fixture(scope="module")
def told(record: Path) -> Told:
    """The content of the record's journal."""
    return Told(record.with_name("journal.jsonl"))


@pytest.fixture(scope="module")
def plain(browser: Browser, record: Path) -> Iterator[Page]:
    """The page without JavaScript."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1100, "height": 900})
    page = context.new_page()
    page.goto(record.as_uri())
    yield page
    context.close()


@pytest.fixture(scope="module")
def once(browser: Browser, record: Path, told: Told) -> Iterator[Shown]:
    """The page with JavaScript, opened once. Tests leave it in a state from which the next one can start."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = Shown(context.new_page(), told, record.as_uri())
    shown.page.on("request", lambda request: shown.asked.append(request.url))
    shown.page.on("console", lambda message: shown.complaints.append(message.text))
    shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
    shown.page.goto(shown.address)
    yield shown
    context.close()


@pytest.fixture
def shown(once: Shown) -> Shown:
    """That page in light colors, at desktop width, scrolled to the top, with everything folded and no filter."""
    once.page.emulate_media(color_scheme="light")
    once.page.set_viewport_size({"width": 1100, "height": 900})
    once.page.get_by_role("button", name="All", exact=True).click()
    unfold(once.page, unfolded=False)
    once.page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    return once


def test_head_is_read_without_javascript(plain: Page, told: Told, name: str) -> None:
    """With JavaScript off, the page shows the outcome, both releases and the journal's head."""
    assert plain.inner_text("h1").replace("\n", " ").startswith(HEADLINES[name])
    assert missing(told.releases, squeezed(plain.inner_text("header"))) == []
    assert told.head in plain.inner_text("#rb-check")


def test_timeline_is_read_without_javascript(plain: Page, told: Told) -> None:
    """Every chapter, scenario and step is shown in order, with its outcome and its commands."""
    assert out_of_order(told.timeline, squeezed(plain.inner_text("#rb-timeline"))) is None
    for step in told.steps:
        own = plain.locator(f"#s{step.seq}")
        assert own.locator("summary .rb-badge").inner_text() == step.outcome
        assert missing([*step.commands, *step.looks], squeezed(own.text_content() or "")) == [], step.words


def test_all_else_is_read_without_javascript(plain: Page, told: Told) -> None:
    """The page shows decisions with their evidence, production before and after, and what is left to do."""
    text = squeezed(plain.text_content("article") or "")
    assert missing(told.decisions, text) == []
    assert missing(told.production, text) == []
    assert missing(told.left_to_do, text) == []


def test_step_unfolds_without_javascript(plain: Page, told: Told) -> None:
    """A click on a step opens it and closes it again."""
    line = plain.locator(f"#s{told.steps[0].seq} > summary")
    inside = plain.locator(f"#s{told.steps[0].seq} > div")
    was_open = inside.is_visible()
    for is_open in (not was_open, was_open):
        line.click()
        assert inside.is_visible() == is_open


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_prints_everything(shown: Shown, paper: str) -> None:
    """Content that is folded on screen is printed: the timeline with every command, decisions, what is left to do."""
    sheets = printed(shown.page, paper)
    text = squeezed("".join(sheets.texts))
    assert out_of_order(shown.told.timeline, text) is None
    assert missing(shown.told.commands, text) == []
    assert missing([*shown.told.decisions, *shown.told.production, *shown.told.left_to_do], text) == []
    assert shown.told.head in text
    # Printers cannot print near the edges. The number of sheets stays in proportion to the text.
    assert min(sheets.left, sheets.right) > 8
    assert len(sheets.texts) <= min(40, 2 + len(text) / 2500)


def test_axe_finds_nothing(shown: Shown) -> None:
    """The whole page has no violation by axe, folded and unfolded. Contrast is tested separately."""
    assert not violations(shown.page, without=CONTRAST)
    unfold(shown.page)
    assert not violations(shown.page, without=CONTRAST)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_stands_out(shown: Shown, scheme: Literal["light", "dark"]) -> None:
    """No text is too faint, folded or unfolded; body text has a contrast of at least 7."""
    shown.page.emulate_media(color_scheme=scheme)
    assert not faint(shown.page, "body *", 4.5)
    unfold(shown.page)
    assert not faint(shown.page, "body *", 4.5)
    assert not faint(shown.page, BODY, 7)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_faint_text(shown: Shown, name: str, scheme: Literal["light", "dark"]) -> None:
    """No text is too faint by axe in three sample records; in a campaign, in all. A long page takes a minute."""
    if name not in SAMPLE and not WHOLE:
        pytest.skip("takes a minute: script/test --campaigns")
    shown.page.emulate_media(color_scheme=scheme)
    assert not violations(shown.page, CONTRAST)
    unfold(shown.page)
    assert not violations(shown.page, CONTRAST)


def test_fits_a_phone(shown: Shown) -> None:
    """At a width of 380 pixels nothing needs sideways scrolling, with everything unfolded."""
    unfold(shown.page)
    shown.page.set_viewport_size({"width": 380, "height": 800})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 380


def test_filters_from_the_keyboard(shown: Shown) -> None:
    """The filters work from the keyboard. Each shows only the steps it names, and their number."""
    page, steps = shown.page, shown.told.steps
    stopped = ("failed", "inconclusive", "interrupted")
    wanted = {
        "Changes": [each.seq for each in steps if each.changed_production],
        "Where it stopped": [each.seq for each in steps if each.outcome in stopped],
        "All": [each.seq for each in steps],
    }
    for button, expected in wanted.items():
        tab_to(page, button)
        page.keyboard.press("Enter")
        visible = page.locator(".rb-s:visible").evaluate_all("all => all.map(each => Number(each.id.slice(1)))")
        assert visible == expected, button
        expect(page.get_by_role("button", name=button, exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("status")).to_have_text(f"{len(expected)} of {len(steps)} steps shown")
        page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")


def test_unfolds_from_the_keyboard(shown: Shown) -> None:
    """Buttons open everything; Enter or the space bar opens a single step."""
    page = shown.page
    inside = page.locator(".rb-s > div:visible")
    for button, count in (("Unfold", len(shown.told.steps)), ("Fold", 0)):
        tab_to(page, button)
        page.keyboard.press("Space")
        expect(inside).to_have_count(count)
    page.keyboard.press("Tab")
    for key, count in (("Enter", 1), ("Space", 0)):
        page.keyboard.press(key)
        expect(inside).to_have_count(count)


def tab_to(page: Page, button: str) -> None:
    for _ in range(300):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == button:
            return
    pytest.fail(f"the keyboard does not come to the button {button}")


def test_copies_exactly_the_command(shown: Shown) -> None:
    """The buttons copy a command, and the line that verifies the record, exactly."""
    page = shown.page
    step = max(shown.told.steps, key=lambda each: len(each.commands))
    unfold(page)
    folder = shown.told.entries[0]["incident"]
    for within, text in (
        (f"#s{step.seq}", step.commands[-1]),
        ("#rb-check", f"python -m runbook verify reports/{folder}/journal.jsonl"),
    ):
        page.evaluate("navigator.clipboard.writeText('something else')")
        block = page.locator(f"{within} .rb-copied").last
        block.get_by_role("button").press("Enter")
        expect(block.get_by_role("button")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == text


def test_deep_link_opens_its_step(shown: Shown) -> None:
    """A URL that ends with a step's number scrolls to that step and opens it."""
    step = shown.told.steps[-1]
    shown.page.goto(f"{shown.address}#s{step.seq}")
    inside = shown.page.locator(f"#s{step.seq} > div")
    expect(inside).to_be_visible()
    expect(inside).to_be_in_viewport()


def test_table_below_opens_from_the_keyboard(shown: Shown) -> None:
    """In pytest-html's table, which exists if pytest ended normally, the keyboard opens a scenario."""
    page = shown.page
    rows = page.locator("#results-table tbody tr.collapsible")
    if shown.told.entries[-1]["kind"] != "closed":
        expect(rows).to_have_count(0)
        return
    page.get_by_text("pytest's report").press("Enter")  # it is folded
    log = page.locator("#results-table .extras-row").first
    assert not log.is_visible()
    rows.locator("td.col-result").first.press("Enter")
    assert log.is_visible()


def test_asks_nobody(once: Shown) -> None:
    """The tests above caused no request except for the page itself, and the page forbids all others."""
    assert set(once.asked) == {once.address}
    assert once.complaints == []
    once.page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 0)")
    assert "Content Security Policy" in "".join(once.complaints)
    assert set(once.asked) == {once.address}
