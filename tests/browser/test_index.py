"""The page of all incidents in a real Chromium: readable without JavaScript, filtered and sorted with it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from runbook.report.archive import index_page
from runbook.report.archive.archive import read
from tests.browser.looking import unfold, violations
from tests.browser.paper import printed
from tests.support.filed import closed, filed, opened, over


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of seven different records, one of them broken, one with a hostile name."""
    reports = tmp_path_factory.mktemp("browser") / "reports of today"
    filed(reports, "2026-01-05T10:00:00", over(after=100))
    filed(reports, "2026-02-05T10:00:00", over(after=9))
    filed(reports, "2026-03-05T10:00:00", [opened("plan"), closed("planned")])
    filed(reports, "2026-04-05T10:00:00", [opened("rehearsal", operator="bert"), *over(after=20)[1:]])
    filed(reports, "2026-05-05T10:00:00", [opened(project="desk"), closed("failed")])
    filed(reports, "2026-06-05T10:00:00", [opened("emergency"), *over()[1:-1]])
    filed(reports, "2026-07-05T10:00:00", over(after=30), "100% <b>?#é" + "x" * 150)
    (reports / "no record").mkdir()
    return index_page.write(reports, read(reports, pages=True))


def show(browser: Browser, index: Path, **context: object) -> Page:
    page = browser.new_context(**context).new_page()
    page.goto(index.as_uri())
    return page


def months_shown(page: Page) -> list[str]:
    """Return the months in which the visible incidents began, from the top."""
    times = page.locator("tbody tr:visible time").evaluate_all("all => all.map(each => each.dateTime)")
    return [time[5:7] for time in times]


def chip(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=name)


def heading(page: Page, name: str) -> Locator:
    return page.get_by_role("columnheader", name=name)


def test_reads_without_javascript(browser: Browser, index: Path) -> None:
    """With JavaScript off, every incident is listed, newest first, and there are no controls that do not work."""
    page = show(browser, index, java_script_enabled=False)
    assert [row[:10] for row in page.locator(".rb-records tbody tr").all_inner_texts()] == [
        f"2026-0{month}-05" for month in range(7, 0, -1)
    ]
    assert not page.locator("form").is_visible()
    assert page.locator(".rb-records button").count() == 0
    assert "There was no rehearsal in the last 30 days" in page.inner_text("main")


def test_links_open_the_record(browser: Browser, index: Path) -> None:
    """Each row links to its record on disk, whatever its folder is called."""
    page = show(browser, index)
    for row in range(7):
        page.goto(index.as_uri())
        page.locator(".rb-records tbody tr").nth(row).get_by_role("link").click()
        assert page.url.endswith("/record.html")
        expect(page.locator("h1")).to_be_visible()


def test_kinds_outcomes_and_projects_filter(browser: Browser, index: Path) -> None:
    """Filters of one kind widen the selection, filters of different kinds narrow it. The number of rows is shown."""
    page = show(browser, index)
    status = page.get_by_role("status")
    expect(status).to_have_text("7 of 7 records shown")
    chip(page, "rollback").check()
    assert months_shown(page) == ["07", "02", "01"]
    chip(page, "unchanged").check()
    assert months_shown(page) == ["07", "05", "02", "01"]
    chip(page, "rehearsal").check()
    assert months_shown(page) == ["07", "05", "04", "02", "01"]
    chip(page, "failed").check()
    assert months_shown(page) == ["05"]
    expect(status).to_have_text("1 of 7 records shown")
    page.get_by_label("Project").select_option("shop")
    expect(status).to_have_text("0 of 7 records shown")
    page.get_by_role("button", name="Show all").click()
    expect(status).to_have_text("7 of 7 records shown")


def test_text_filters(browser: Browser, index: Path) -> None:
    """Every typed word must occur in the row, in any case."""
    page = show(browser, index)
    page.get_by_label("Text").fill("BERT 2026")
    assert months_shown(page) == ["04"]
    page.get_by_label("Text").fill("bert nobody")
    assert months_shown(page) == []


def test_headings_sort_by_number_and_unknown_comes_last(browser: Browser, index: Path) -> None:
    """Times sort as numbers in both directions. Unknown ones come last each time, and screen readers are told."""
    page = show(browser, index)
    button = heading(page, "Recovered in").get_by_role("button")
    button.click()
    assert months_shown(page)[:5] == ["01", "06", "07", "04", "02"]
    expect(heading(page, "Recovered in")).to_have_attribute("aria-sort", "descending")
    button.click()
    assert months_shown(page)[:5] == ["02", "04", "07", "06", "01"]
    expect(heading(page, "Recovered in")).to_have_attribute("aria-sort", "ascending")
    assert page.locator("th[aria-sort]").count() == 1


def test_keyboard_reaches_everything(browser: Browser, index: Path) -> None:
    """The keyboard sorts by a heading and sets a filter."""
    page = show(browser, index)
    heading(page, "Began").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert months_shown(page) == ["01", "02", "03", "04", "05", "06", "07"]
    chip(page, "plan 1").focus()
    page.keyboard.press("Space")
    assert months_shown(page) == ["03"]


@pytest.mark.parametrize("javascript", [True, False])
def test_fits_a_phone(browser: Browser, index: Path, *, javascript: bool) -> None:
    """At a width of 380 pixels nothing needs sideways scrolling, even with long names."""
    page = show(browser, index, viewport={"width": 380, "height": 800}, java_script_enabled=javascript)
    if javascript:
        unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 380])
def test_axe_finds_nothing(browser: Browser, index: Path, scheme: str, width: int) -> None:
    """The page has no violation by axe, in light and dark colors, on desktop and phone, with everything unfolded."""
    page = show(browser, index, color_scheme=scheme, viewport={"width": width, "height": 900})
    unfold(page)
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_of_one_colour(browser: Browser, index: Path, scheme: str) -> None:
    """The area around the text has the text's background color, in light and dark."""
    page = show(browser, index, color_scheme=scheme)
    colours = [
        page.evaluate(f"getComputedStyle(document.querySelector('{it}')).backgroundColor") for it in ("body", "main")
    ]
    assert colours[0] == colours[1]


def test_asks_nobody(browser: Browser, index: Path) -> None:
    """Opening the page causes no request except for the page itself, and no complaint in the console."""
    page = browser.new_context().new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(index.as_uri())
    chip(page, "rollback").check()
    assert asked == [index.as_uri()]
    assert complaints == []


def test_prints(browser: Browser, index: Path) -> None:
    """On paper the filters are omitted, and every record is listed."""
    page = show(browser, index)
    page.emulate_media(media="print")
    assert not page.locator("form").is_visible()
    assert page.locator(".rb-records tbody tr:visible").count() == 7
    assert len(page.pdf(format="A4")) > 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of two years: 24 rollbacks and rehearsals in its first chart, every kind in its second."""
    reports = tmp_path_factory.mktemp("browser") / "reports"
    for day in range(1, 13):
        filed(reports, f"2026-10-{day:02}T10:00:00", over(after=day * 10))
        filed(reports, f"2026-09-{day:02}T10:00:00", [opened("emergency-rehearsal"), *over(after=day * 100)[1:]])
    for kind in ("emergency", "unlock", "validation", "plan"):
        filed(reports, "2026-08-01T10:00:00", [opened(kind), closed("passed")])
    return index_page.write(reports, read(reports, pages=True))


#: The positions of the heading and the cells of each column in each chart's table, from left to right.
_COLUMNS = """() => [...document.querySelectorAll("figure table")].flatMap(table => {
    const place = cell => (({ left, right, top, bottom }) => [left, right, top, bottom])(cell.getBoundingClientRect());
    const rows = [...table.tBodies[0].rows];
    return [...table.tHead.rows[0].cells].map((head, at) => [place(head), rows.map(row => place(row.cells[at]))]);
})"""


@pytest.mark.parametrize("width", [380, 1100])
def test_numbers_of_the_charts_stand_in_columns(browser: Browser, many: Path, width: int) -> None:
    """Unfolded, each heading is above its column and overlaps no other. Nothing scrolls sideways, even on a phone."""
    page = show(browser, many, viewport={"width": width, "height": 800})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    columns = page.evaluate(_COLUMNS)
    assert len(columns) > 6
    for heading_place, cells in columns:
        left, right, _, bottom = heading_place
        for cell_left, cell_right, cell_top, cell_bottom in cells:
            assert (cell_left, cell_right) == (left, right)
            assert cell_top >= bottom
            bottom = cell_bottom
    assert page.evaluate("[...document.querySelectorAll('figure td')].every(it => it.scrollWidth <= it.clientWidth)")


def test_numbers_of_the_charts_print(browser: Browser, many: Path) -> None:
    """On paper each number is on one line with its label. 28 records and the charts take few sheets."""
    sheets = printed(show(browser, many), "A4").texts
    lines = [line.strip() for text in sheets for line in text.splitlines()]
    for day in range(1, 13):
        assert f"2026-10-{day:02} 10:00:00 rollback" in "\n".join(lines)
    (months,) = [line for line in lines if line.startswith("Month")]
    # Incidents that changed nothing are in no trend.
    assert {"rollback", "rehearsal", "unlock"} <= set(months.split())
    assert len(sheets) <= 6
