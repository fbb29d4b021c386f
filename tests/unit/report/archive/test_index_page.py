"""The index of all incidents: its top, its charts, and the escaping of its texts."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from runbook.errors import JournalError
from runbook.report.archive import charts, index_page
from runbook.report.archive.archive import read
from runbook.report.archive.summary import State, Summary
from runbook.report.archive.trends import Trends, trends
from runbook.report.page.templating import STYLE
from tests.support.filed import closed, filed, opened, over

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)


class Page(HTMLParser):
    """The elements of a page with their attribute names, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(reports: Path) -> str:
    """Return the text of the page's main part, with white space folded."""
    index_page.write(reports, read(reports, pages=True))
    html = (reports / "index.html").read_text(encoding="utf-8")
    return " ".join(Page(html[html.index("<main") : html.index("</main>")]).text.split())


def found(reports: Path, made: datetime = NOW) -> Trends:
    return trends(read(reports).summaries, made)


def days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%S}"


def test_page_lists_each_incident_with_its_numbers(tmp_path: Path) -> None:
    """A row shows time, kind, result, project, both releases, and each known duration."""
    filed(tmp_path, "2026-01-31T10:00:00", over(after=62))
    text = shown(tmp_path)
    assert "2026-01-31 10:00:00 rollback Over: production runs v1 again" in text
    assert "20260131T100000Z-shop-rollback, by anna shop v2 → v1 1 min 2 s unknown 1 min 3 s" in text


def test_unknown_is_called_unknown(tmp_path: Path) -> None:
    """Values that were not reached, not measured or do not apply are named as such, never shown as 0."""
    filed(tmp_path, "2026-01-01T10:00:00", [opened(), closed("failed", changes=("traffic is paused",))])
    filed(tmp_path, "2026-01-02T10:00:00", [opened("plan"), closed("planned")])
    text = shown(tmp_path)
    assert "by anna shop - not reached unknown 1.0 s" in text
    assert "by anna shop - - unknown 1.0 s" in text


def test_page_links_to_the_record_or_to_the_journal(tmp_path: Path) -> None:
    """A row links to the incident's page, or to its journal if there is no page."""
    folder = filed(tmp_path, "2026-01-31T10:00:00", over(), "a b")
    html = index_page.page(read(tmp_path))
    assert 'href="a%20b/journal.jsonl"' in html
    (folder / "record.html").write_text("x")
    assert 'href="a%20b/record.html"' in index_page.page(read(tmp_path))


@pytest.mark.parametrize(
    ("rehearsed", "said", "alarm"),
    [
        pytest.param(None, "Last rehearsal None on record", True, id="never"),
        pytest.param(0, "Last rehearsal Today", False, id="today"),
        pytest.param(1, "Last rehearsal Yesterday", False, id="yesterday"),
        pytest.param(30, "Last rehearsal 30 days ago", False, id="a-month"),
        pytest.param(31, "Last rehearsal 31 days ago: rehearse again", True, id="too-long"),
    ],
)
def test_last_rehearsal_is_said_loudly_when_it_is_due(
    tmp_path: Path, rehearsed: int | None, said: str, *, alarm: bool
) -> None:
    """The page says when the last rehearsal was, as an alarm if it was over 30 days ago or never."""
    filed(tmp_path, days_ago(2), over())
    if rehearsed is not None:
        filed(tmp_path, days_ago(rehearsed), [opened("rehearsal"), closed("passed", "rolled-back")])
    assert said in shown(tmp_path)
    assert ("rb-loud" in (tmp_path / "index.html").read_text().partition("</style>")[2]) is alarm


def test_last_incident_on_production_stands_at_the_top(tmp_path: Path) -> None:
    """The newest incident on production is at the top, despite later plans, validations or rehearsals."""
    filed(tmp_path, "2026-01-01T10:00:00", over(after=30))
    filed(tmp_path, "2026-01-02T10:00:00", [opened("plan"), closed("planned")])
    filed(tmp_path, "2026-01-03T10:00:00", [opened("rehearsal"), closed("passed", "rolled-back")])
    text = shown(tmp_path)
    assert "Last incident on production Over: production runs v1 again Rollback of shop, 2026-01-01 10:00:00" in text
    assert "recovered in 30.0 s" in text


def test_journals_that_are_not_whole_stand_at_the_top(tmp_path: Path) -> None:
    """The number of journals that are not whole is at the top with the reason, or that all are whole."""
    filed(tmp_path, "2026-01-01T10:00:00", over())
    assert "Journals All whole" in shown(tmp_path)
    filed(tmp_path, "2026-01-02T10:00:00", over()[:-1])
    text = shown(tmp_path)
    assert "Journals 1 of 2 not whole 20260102T100000Z-shop-rollback" in text
    assert "Journal not whole: " in text


def test_page_of_no_records_says_how_to_make_one(tmp_path: Path) -> None:
    """The page of an empty folder says that there are no incidents yet."""
    assert "No incident is on record here yet" in shown(tmp_path)


def test_recoveries_are_those_of_rollbacks_and_rehearsals(tmp_path: Path) -> None:
    """Rollbacks and rehearsals are charted, oldest first. One that did not recover has a place without a bar."""
    filed(tmp_path, "2026-01-01T10:00:00", over(after=50))
    filed(tmp_path, "2026-01-03T10:00:00", [opened(), closed("failed", changes=("traffic is paused",))])
    filed(tmp_path, "2026-01-05T10:00:00", [opened(), closed("failed")])
    filed(tmp_path, "2026-01-02T10:00:00", [opened("rehearsal"), *over(after=100)[1:]])
    filed(tmp_path, "2026-01-04T10:00:00", [opened("plan"), closed("planned")])
    recoveries = found(tmp_path).recoveries
    assert [each.time_to_recover for each in recoveries] == [50, 100, None]
    chart = charts.recoveries(recoveries)
    assert chart.bars[0].height * 2 == pytest.approx(chart.bars[1].height, abs=0.2)
    assert [(bar.value, bar.rehearsal) for bar in chart.bars] == [(50, False), (100, True), (None, False)]
    assert [seconds for _, seconds in chart.lines] == [0, 60, 120]


def test_chart_shows_as_many_as_it_can() -> None:
    """If there are more rollbacks than fit, the newest are charted and the total is known."""
    days = [f"2026-01-{day:02}T10:00:00Z" for day in range(1, 32)]
    made = [Summary(day, State.WHOLE, began=day, group="rollback") for day in days]
    shown_trends = trends(made, NOW)
    assert (len(shown_trends.recoveries), shown_trends.recoveries_known) == (30, 31)
    assert shown_trends.recoveries[-1].began == days[-1]
    bars = charts.recoveries(shown_trends.recoveries).bars
    assert all(bar.left + bar.width <= charts.WIDTH for bar in bars)
    assert all(left.left + left.width <= right.left for left, right in pairwise(bars))


def test_incidents_are_counted_by_month_and_kind(tmp_path: Path) -> None:
    """Incidents are counted for the last twelve months, the current one last. Kinds without incidents have no row."""
    for began in ("2025-11-30T23:59:59", "2025-12-01T00:00:00", "2026-11-01T10:00:00", "2026-11-22T10:00:00"):
        filed(tmp_path, began, over())
    filed(tmp_path, "2026-10-01T10:00:00", [opened("unlock"), closed("passed", "unlocked")])
    counted = found(tmp_path)
    assert (counted.months[0], counted.months[-1], len(counted.months)) == ("2025-12", "2026-11", 12)
    assert counted.counts == {"rollback": [1, *[0] * 10, 2], "unlock": [*[0] * 10, 1, 0]}
    chart = charts.months(counted)
    assert [row.name for row in chart.rows] == ["rollback", "unlock"]
    assert [bar.value for bar in chart.rows[0].bars] == [1, *[None] * 10, 2]


HOSTILE = ["<script>alert(1)</script>", '" onmouseover="alert(1)" x=\'', "{{ 7 * 7 }}", "</style></table>&lt;b&gt;"]


@pytest.mark.parametrize("word", HOSTILE)
def test_no_element_comes_from_a_journal(tmp_path: Path, word: str) -> None:
    """Hostile names, releases, people and errors add no element to the page, and are shown."""
    for folder, said in (("a", "harmless"), ("b", word)):
        entries = over()
        entries[0] |= {"project": said, "operator": said}
        entries[2]["value"]["tag"] = said
        filed(tmp_path / folder, "2026-01-31T10:00:00", entries, said.replace("/", "-"))
    harmless, hostile = (Page(index_page.page(read(tmp_path / folder))) for folder in "ab")
    assert hostile.elements == harmless.elements
    assert hostile.text.count(word) > 4


def test_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    """The page loads nothing, and its policy blocks everything else by default."""
    filed(tmp_path, "2026-01-31T10:00:00", over())
    html = index_page.page(read(tmp_path))
    assert not re.search(r"<(link|img|iframe)|url\(|@import|src=|https?://", html)
    assert html.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in html


def test_page_is_written_in_one_step(tmp_path: Path) -> None:
    """The page replaces an older one. Written or not, no other file is left behind."""
    (tmp_path / "index.html").write_text("old")
    path = index_page.write(tmp_path, read(tmp_path))
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert sorted(each.name for each in tmp_path.iterdir()) == [".summaries.json", "index.html"]
    path.unlink()
    path.mkdir()
    with pytest.raises(JournalError, match=r"index\.html cannot be written"):
        index_page.write(tmp_path, read(tmp_path))
    assert sorted(each.name for each in tmp_path.iterdir()) == [".summaries.json", "index.html"]


def test_styles_of_record_and_index_do_not_meet() -> None:
    """Record and index have no style class in common, so neither style affects the other page."""
    record, index = (
        set(re.findall(r"\.(rb-[\w-]+)", path.read_text(encoding="utf-8")))
        for path in (STYLE, Path(index_page.__file__).with_name("templates") / "index.css")
    )
    assert record & index == set()
