"""How pytest-html's report becomes the incident record: same file, our page on top, its table below."""

import os
import time
from html import escape
from pathlib import Path
from typing import Any

import pytest

from harness.options import RUN
from harness.running import CONDUCT, REDACTOR
from runbook.errors import RunbookError
from runbook.incident import record


def pytest_configure(config: pytest.Config) -> None:
    """Point pytest-html at the record of this run.

    Plugins of conftest.py are configured before those that are installed, so pytest-html reads these options after.
    """
    run = config.stash.get(RUN, None)
    if run is None:
        return
    config.option.htmlpath = str(run.page)
    config.option.self_contained_html = True
    config.option.css = [str(record.STYLE), str(Path(__file__).with_name("pytest_html.css"))]
    # pytest-html stamps local time; an incident record knows UTC only.
    os.environ["TZ"] = "UTC"
    time.tzset()


# pytest-html's own head has none; without it a phone shows the page as if it were a desk.
_VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'


def pytest_metadata(metadata: dict[str, Any], config: pytest.Config) -> None:
    """Keep pytest-html's table of the environment empty: it takes CI variables as they are, secrets and all."""
    if RUN in config.stash:
        metadata.clear()


def pytest_html_report_title(report: Any) -> None:
    """Name the page by its incident, where this is one."""
    run = report.config.stash.get(RUN, None)
    if run is not None:
        report.title = run.incident


def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    """Put the record, made from the journal alone, above pytest-html's table."""
    run = session.config.stash.get(RUN, None)
    if run is None or CONDUCT not in session.config.stash:
        return
    try:
        prefix.append(_VIEWPORT + record.body(run.journal))
    except RunbookError as error:
        prefix.append(f"<p><strong>{escape(session.config.stash[REDACTOR].text(str(error)))}</strong></p>")


def pytest_html_results_table_row(cells: list[str]) -> None:
    """Escape the test's id, which pytest-html does not."""
    for number, cell in enumerate(cells):
        start, end = '<td class="col-testId">', "</td>"
        if cell.startswith(start):
            cells[number] = start + escape(cell[len(start) : -len(end)]) + end
