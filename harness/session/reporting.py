"""pytest's reports and exit codes, which never say better than the record."""

import contextlib
import unittest
from collections.abc import Generator
from typing import Any, TypeVar

import pytest

from harness.compat import TOLD
from harness.session.lifecycle import CONDUCT, REDACTOR
from runbook.actions import Outcome
from runbook.errors import CheckFailed, Inconclusive
from runbook.text import visible

#: pytest's exit codes end at 5.
DECISION_NEEDED = 6
ENDED_WELL = (Outcome.PASSED, Outcome.PLANNED, Outcome.NOTHING_TO_DO)
_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)
_IN_FLIGHT = pytest.StashKey[pytest.Item]()


def translated(error: BaseException | None) -> BaseException | None:
    """Return the runbook's meaning of an exception, since in tests some ways to end are no failures.

    A step that skips itself, or expects to fail, has checked nothing: it is `inconclusive`.
    """
    name = type(error).__name__
    if isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)):
        return Inconclusive(
            f"the step stopped in the middle ({name}: {error})",
            "make its function pass or fail; a skipped step decides nothing",
        )
    if isinstance(error, pytest.fail.Exception):
        return CheckFailed(str(error), "check by hand what the step checks")
    if isinstance(error, SystemExit):
        return CheckFailed(f"the step's function ended the program ({name}: {error})", "correct that function")
    return error


def outcome_of_scenario(outcomes: list[Outcome]) -> Outcome:
    """Return a scenario's outcome from those of its steps and of errors around them; inconclusive without any."""
    bad = [outcome for outcome in outcomes if not outcome.is_good]
    if bad or not outcomes:
        return bad[0] if bad else Outcome.INCONCLUSIVE
    return Outcome.PLANNED if Outcome.PLANNED in outcomes else Outcome.PASSED


def make_failed(report: pytest.TestReport, why: str) -> None:
    """Turn a report that is not failed (passed, skipped, an expected failure) into a failed one."""
    report.outcome = "failed"
    report.longrepr = why
    if hasattr(report, "wasxfail"):
        del report.wasxfail


def without_secrets(config: pytest.Config, report: _Report) -> _Report:
    """Redact `report`, so that the page, the terminal and JUnit's XML show no secrets."""
    redactor = config.stash[REDACTOR]

    def clean(text: object) -> str:
        return visible(redactor.text(str(text)))

    if isinstance(report.longrepr, tuple):
        path, line, why = report.longrepr
        report.longrepr = path, line, clean(why)
    elif report.longrepr is not None:
        report.longrepr = clean(report.longrepr)
    report.sections = [(name, clean(text)) for name, text in report.sections]
    if isinstance(report, pytest.TestReport):
        report.user_properties = [(clean(name), clean(value)) for name, value in report.user_properties]
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Redact the report of a module that cannot be loaded."""
    report = yield
    return without_secrets(collector.config, report) if REDACTOR in collector.config.stash else report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember the running scenario: pytest reports none that a signal, pytest.exit or a plugin ended."""
    item.session.stash[_IN_FLIGHT] = item
    result = yield
    del item.session.stash[_IN_FLIGHT]
    conduct = item.config.stash.get(CONDUCT, None)
    if conduct is not None and item.nodeid not in conduct.ended:
        _report(item, "a plugin removed this scenario: none of its steps ran")
    return result


def _report(item: pytest.Item, why: str, *, told: bool = False) -> None:
    report = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
    setattr(report, TOLD, told)
    item.config.hook.pytest_runtest_logreport(report=report)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report the scenario in flight to JUnit's XML and the page. Never exit with 0 if the record is not good."""
    conduct = session.config.stash.get(CONDUCT, None)
    if conduct is None:
        return
    item = session.stash.get(_IN_FLIGHT, None)
    if item is not None:
        with contextlib.suppress(Exception):  # a plugin that fails here may have ended the run
            _report(item, "the run ended in this scenario; the record names the step", told=True)
    whole = conduct.ending is not None and not conduct.ending.trouble
    void = conduct.planned_only is not None and conduct.planned_only.void is not None
    if void and not conduct.changes_made:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    if whole and conduct.outcome is Outcome.DECISION_NEEDED:
        session.exitstatus = DECISION_NEEDED
    elif not (whole and conduct.outcome in ENDED_WELL) and session.exitstatus == pytest.ExitCode.OK:
        interrupted = conduct.outcome == Outcome.INTERRUPTED
        session.exitstatus = pytest.ExitCode.INTERRUPTED if interrupted else pytest.ExitCode.TESTS_FAILED
