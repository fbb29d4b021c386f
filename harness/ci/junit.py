"""JUnit XML: one test case per scenario, with its steps as output, its place in the feature and its record."""

import os
from collections.abc import Iterator, Sequence

import pytest

from harness.ci import compat_junit
from harness.compat import FeatureFile
from harness.session.lifecycle import CONDUCT
from runbook.journal.journal import Entry


def steps_told(entries: Sequence[Entry], scenario: str) -> Iterator[str]:
    """Yield the steps of a scenario's last run, one line each: outcome, step, seconds, then the observation."""
    begun = [n for n, each in enumerate(entries) if each["kind"] == "scenario began" and each["scenario"] == scenario]
    step = ""
    for entry in entries[begun[-1] :] if begun else ():
        if entry["kind"] == "step began":
            step = f"{entry['keyword']} {entry['text']}"
        elif entry["kind"] == "step ended":
            yield f"{entry['outcome']}: {step} ({entry['seconds']:.1f} s)"
            helps = [f"next step: {entry['next_step']}"] if entry.get("next_step") else []
            yield from (f"    {line}" for told in (entry["detail"], *helps) for line in told.splitlines())
            step = ""
    if step:
        yield f"interrupted: {step}"


class Cases:
    """Adds to JUnit's test case of each scenario, found by its item."""

    def __init__(self, session: pytest.Session) -> None:
        self._config = session.config
        self._items = {item.nodeid: item for item in session.items}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add to the test case before pytest closes it; if a signal stopped the scenario, once the record is closed."""
        conduct, item = self._config.stash.get(CONDUCT, None), self._items.get(report.nodeid)
        if conduct is None or item is None or not isinstance(item.parent, FeatureFile):
            return
        if report.when == "teardown" or conduct.ending is not None:
            told = "\n".join(steps_told(conduct.journal.entries, item.name))
            file, record = (os.path.relpath(path, self._config.rootpath) for path in (item.path, conduct.run.page))
            compat_junit.tell(self._config, report, told, (file, item.parent.line_of(item)), record)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Register the plugin that adds to the test cases."""
    session.config.pluginmanager.register(Cases(session), "runbook-junit")
