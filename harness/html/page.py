"""pytest-html's report as the incident record: our page on top, its table below."""

import os
import time
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pytest

from harness.html.compat_html import lay_out_page
from harness.options import RUN
from harness.session.lifecycle import REDACTOR
from runbook.errors import RunbookError
from runbook.journal import private_files
from runbook.report.page import render
from runbook.report.page.templating import STYLE

_SCRIPT = Path(__file__).with_name("pytest_html.js")


def pytest_configure(config: pytest.Config) -> None:
    """Point pytest-html at the record of this run.

    Plugins of conftest.py are configured before installed ones, so pytest-html reads these options afterwards.
    """
    run = config.stash.get(RUN, None)
    if run is None:
        return
    config.option.htmlpath = str(run.page)
    config.option.self_contained_html = True
    config.option.css = [str(STYLE), str(Path(__file__).with_name("pytest_html.css"))]
    # pytest-html writes local time; records use UTC.
    os.environ["TZ"] = "UTC"
    time.tzset()


def pytest_metadata(metadata: dict[str, Any], config: pytest.Config) -> None:
    """Keep only Python and platform in pytest-html's environment, which also takes CI variables, secrets among them."""
    if RUN in config.stash:
        kept = {name: metadata[name] for name in ("Python", "Platform") if name in metadata}
        metadata.clear()
        metadata.update({name: escape(str(value)) for name, value in kept.items()})


def pytest_sessionstart(session: pytest.Session) -> None:
    """Put the record, rendered from the journal, on top of pytest-html's page."""
    if RUN in session.config.stash:
        page = session.config.stash[RUN].page
        script = _SCRIPT.read_text(encoding="utf-8")
        lay_out_page(session.config, partial(_record, session.config), script, partial(private_files.write, page))


def pytest_html_report_title(report: Any) -> None:
    """Set the page's title to the incident's name."""
    run = report.config.stash.get(RUN, None)
    if run is not None:
        report.title = run.incident


def _record(config: pytest.Config) -> str:
    try:
        return render.body(config.stash[RUN].journal)
    except RunbookError as error:
        return f"<p><strong>{escape(config.stash[REDACTOR].text(str(error)))}</strong></p>"


def pytest_html_results_table_row(cells: list[str]) -> None:
    """Escape the test id, which pytest-html does not."""
    for number, cell in enumerate(cells):
        start, end = '<td class="col-testId">', "</td>"
        if cell.startswith(start):
            cells[number] = start + escape(cell[len(start) : -len(end)]) + end


def pytest_html_results_table_html(report: pytest.TestReport, data: list[str]) -> None:
    """Show why a scenario was skipped. pytest-html shows a tuple with the path of a harness file."""
    if report.skipped and isinstance(report.longrepr, tuple):
        data[:] = [escape(report.longrepr[2])]
