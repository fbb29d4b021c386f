"""At the end of each run, when its record is written: the index of all records is made afresh."""

from collections.abc import Iterator

import pytest

from harness.options import RUN
from harness.session.lifecycle import CONDUCT
from runbook.report.archive import index_page


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Make the index after every other plugin has written what it writes; that it failed is said, and no more."""
    try:
        return (yield)
    finally:
        if RUN in session.config.stash and CONDUCT in session.config.stash:
            conduct = session.config.stash[CONDUCT]
            if problem := index_page.refresh(conduct.run.folder.parent):
                conduct.progress.note(problem)
