"""A plugin that changes production in the middle of a run, as another person would: `-p tests.engine.meddler`.

RUNBOOK_MEDDLE is JSON: a step's text, and a command as a list of words. The command runs when that step is first
recorded as begun, before anything in it happens.
"""

import json
import os
import subprocess
from typing import Any

import pytest

from runbook.journal.journal import Entry, Journal

VARIABLE = "RUNBOOK_MEDDLE"


@pytest.hookimpl
def pytest_configure() -> None:
    """Watch everything that is written to the journal."""
    text, argv = json.loads(os.environ[VARIABLE])
    write, waiting = Journal.write, [True]

    def watched(journal: Journal, kind: str, *, sync: bool = False, **facts: Any) -> Entry:
        entry = write(journal, kind, sync=sync, **facts)
        if waiting and (kind, facts.get("text")) == ("step began", text):
            waiting.clear()
            subprocess.run(argv, check=True, capture_output=True, timeout=60)
        return entry

    Journal.write = watched  # type: ignore[method-assign,assignment]  # the one place where everything comes by
