"""The index of all records and CI's job summary, written at the end of each run."""

from collections.abc import Iterator

import pytest

from harness.options import RUN
from harness.session.lifecycle import CONDUCT
from runbook.report.archive import index_page
from runbook.report.page import job_summary


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Write both after all other plugins have finished. A failure is reported and does not change the outcome."""
    try:
        return (yield)
    finally:
        if RUN in session.config.stash and CONDUCT in session.config.stash:
            conduct = session.config.stash[CONDUCT]
            for problem in (index_page.refresh(conduct.run.folder.parent), job_summary.append(conduct.run.journal)):
                if problem:
                    conduct.progress.note(problem)
