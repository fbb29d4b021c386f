"""One test for each private touch in harness/compat.py: when pytest or a plugin moves it, the test says which."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter
from pytest_bdd.feature import get_feature

from harness import compat
from tests.harness.inner import CANARY, Ran, Runbook, scenario

GOOD = scenario("Good", "Given something to begin with", "Then all is well")
BAD = scenario("Bad", "Then all is not well")


@pytest.fixture
def ran(runbook: Runbook) -> Ran:
    """A run of one good and one bad scenario."""
    return runbook.feature("1.feature", GOOD, BAD).run("features", "--execute", "shop")


def test_feature_file_is_a_module_of_scenarios(runbook: Runbook) -> None:
    """pytest.Module._getobj and _genfunctions: a feature file is collected under its name, a scenario under its own."""
    collected = runbook.feature("1.feature", GOOD, BAD).run("features", "--collect-only").terminal
    for line in ("<FeatureFile 1.feature>", "<Function Good>", "<Function Bad>"):
        assert line in collected


@pytest.mark.parametrize(
    ("body", "sentences"),
    [
        pytest.param("Scenario: X\n    Given a\n    Then b", 2, id="scenario"),
        pytest.param("Scenario: X", 0, id="empty"),
        pytest.param("Background:\n    Given a\n  Scenario: X\n    Then b", 2, id="background"),
        pytest.param("Scenario Outline: X\n    Given <a>\n    Examples:\n      | a |\n      | 1 |", 1, id="outline"),
        pytest.param("Scenario Outline: X\n    Given <a>\n    Examples:\n      | a |", 0, id="outline-without-rows"),
    ],
)
def test_sentences_are_counted(tmp_path: Path, body: str, sentences: int) -> None:
    """pytest_bdd's parsed scenario: its steps, whether it is an outline, and its rows."""
    (tmp_path / "x.feature").write_text(f"Feature: X\n  {body}\n")
    file: Any = SimpleNamespace(feature=get_feature(str(tmp_path), "x.feature"))
    item: Any = SimpleNamespace(name="X", originalname="X")
    assert compat.FeatureFile.sentences_of(file, item) == sentences


def test_quiet_reporter_prints_no_dots_and_counts(ran: Ran) -> None:
    """TerminalReporter._tests_ran and _add_stats: no progress of pytest's own, and still its summary."""
    assert not [line for line in ran.lines if line.startswith("features/1.feature ") or line in (".F", "F.")]
    assert "1 failed, 1 passed" in ran.terminal


def test_everything_that_pytest_prints_is_redacted(runbook: Runbook) -> None:
    """TerminalReporter._tw._file: what pytest itself prints goes through redaction as well."""
    runbook.feature("1.feature", scenario("Bad ticket-canary", "Then all is not well"))
    ran = runbook.run("features", "-rA")
    assert "ticket-canary" not in ran.terminal
    assert "Bad [secret" in ran.terminal


def test_refused_run_has_no_page(runbook: Runbook) -> None:
    """pytest_html.basereport.BaseReport: its plugin can be taken out before it writes."""
    (runbook.folder / "down").touch()
    assert runbook.feature("1.feature", GOOD).run("features").exit_code == 4
    assert not list(runbook.folder.rglob("record.html"))


def test_line_of_pytest_html_is_left_out(ran: Ran) -> None:
    """TerminalReporter.write_sep, and the words of pytest-html's line."""
    assert "html report" not in ran.terminal
    assert "Generated" not in ran.terminal


def test_progress_is_shown_while_output_is_captured(runbook: Runbook) -> None:
    """CaptureManager.global_and_fixture_disabled: sentences are shown as they run; what they print is not."""
    runbook.feature("1.feature", scenario("Good", "Given a secret is printed", "Then all is well"))
    ran = runbook.run("features")
    assert "ok      Given a secret is printed" in ran.terminal
    assert "stdout says" not in ran.terminal
    assert CANARY not in ran.terminal


def test_types_are_those_of_pytest() -> None:
    """The types that others name through compat."""
    assert (compat.CaptureManager, compat.TerminalReporter) == (CaptureManager, TerminalReporter)
