"""At the end of each run, when its record is written: the index of all records is made afresh."""

from collections.abc import Iterator

import pytest

from harness.options import RUN
from harness.running import CONDUCT
from runbook.errors import RunbookError
from runbook.incident import index_page

#: Seconds for the reading of journals: nobody waits for an index at 3 a.m.
_READING = 2.0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Make the index after every other plugin has written what it writes; that it failed is said, and no more."""
    try:
        return (yield)
    finally:
        if RUN in session.config.stash and CONDUCT in session.config.stash:
            conduct = session.config.stash[CONDUCT]
            try:
                index_page.write(conduct.run.folder.parent, _READING)
            except Exception as error:  # noqa: BLE001 - the run is over, and this changes nothing of what came of it
                why = error.seen if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"
                conduct.progress.note(f"the index of all records is not made afresh: {why} → python -m runbook records")
