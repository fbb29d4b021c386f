"""One test for each private name that harness/html/compat_html.py uses: if pytest-html moves it, its test fails."""

import re
from importlib.resources import files

import pytest

from harness.html.compat_html import REPLACED
from tests.harness.inner import Ran, Runbook, scenario
from tests.unit.report.page.test_render import Page

GOOD = scenario("Good", "Given something to begin with", "Then all is well")
BAD = scenario("Bad", "Then all is not well")


@pytest.fixture
def ran(runbook: Runbook) -> Ran:
    """A run of one good and one bad scenario."""
    return runbook.feature("1.feature", GOOD, BAD).run("features", "--execute", "shop")


def test_refused_run_has_no_page(runbook: Runbook) -> None:
    """pytest_html.basereport.BaseReport: a refused run removes pytest-html's plugin before it writes a page."""
    (runbook.folder / "down").touch()
    assert runbook.feature("1.feature", GOOD).run("features").exit_code == 4
    assert not list(runbook.folder.rglob("record.html"))


def test_page_is_named_by_its_incident(ran: Ran) -> None:
    """pytest_html.report_data.ReportData.config (public, but not documented): the title names the incident."""
    assert ran.folder is not None
    headline = "Production is held as it is: expected all well; seen: nothing is well"
    assert f'<title id="head-title">{headline}: {ran.folder.name}</title>' in ran.page


def test_page_is_not_written_through_a_link(runbook: Runbook) -> None:
    """BaseReport._write_report: the page replaces a link, and the link's target is left unchanged."""
    victim = runbook.folder / "victim"
    victim.write_text("precious")
    runbook.steps("""
@given("a link is planted")
def planted(context, request):
    import os
    from harness.options import RUN

    os.symlink(__file__.replace("steps.py", "victim"), request.config.stash[RUN].page)
    context.incident.record_fact("schema", ["planted"])
""")
    ran = runbook.feature("1.feature", scenario("Link", "Given a link is planted")).run("features")
    assert ran.folder is not None
    assert not (ran.folder / "record.html").is_symlink()
    assert '<title id="head-title">' in ran.page
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(("written", "instead"), REPLACED, ids=[written for written, _ in REPLACED])
def test_layout_has_each_part_once(written: str, instead: str) -> None:
    """index.jinja2: each part that our layout replaces is in the template exactly once."""
    template = files("pytest_html").joinpath("resources/index.jinja2").read_text(encoding="utf-8")
    assert template.count(written) == 1, instead


def test_record_is_read_before_the_report_of_pytest(ran: Ran) -> None:
    """BaseReport._template: the record comes before pytest's report, and the page names its language."""
    assert '<html lang="en">' in ran.page
    record, environment, results = (ran.page.index(part) for part in ("<article ", 'id="environment"', 'id="results-'))
    assert record < environment < results
    assert ran.page.count("<h1>") == 1


def test_report_of_pytest_is_folded_and_says_why_in_words(runbook: Runbook) -> None:
    """index.jinja2, pytest_html_results_table_html: pytest's report is folded; skip reasons are words, not tuples."""
    needing = scenario("Needing", "Then all is well", tags="@needs:good")
    bad = scenario("Bad", "Then all is not well", tags="@provides:good")
    page = runbook.feature("1.feature", bad, needing).run("features").page
    assert "<details><summary>pytest's report</summary>" in page
    assert "steps.py" not in page.partition('id="data-container"')[2].partition("Skipped")[0][-300:]
    assert "Skipped: " in page
    assert not re.search(r"\(&#39;/|\(&amp;#x27;/|\(&#x27;/|\('/", page)


def test_boxes_have_names(ran: Ran) -> None:
    """index.jinja2: each checkbox of the filter has a label for screen readers."""
    boxes = re.findall(r'<input [^>]*class="filter"[^>]*>', ran.page)
    assert boxes
    assert all("aria-label=" in box for box in boxes)


def test_page_is_well_formed(ran: Ran) -> None:
    """Every element that the page opens is closed, in the right order."""
    void = {"meta", "input", "img", "br", "link", "source"}
    opened: list[str] = []
    for tag, _ in Page(ran.page).elements:
        if tag.removeprefix("/") in void or tag == "comment":
            continue
        if tag.startswith("/"):
            assert opened.pop() == tag[1:]
        else:
            opened.append(tag)
    assert opened == []
