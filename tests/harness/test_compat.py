"""One test for each private name that harness/compat.py uses: if pytest or a plugin moves it, its test fails."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter
from pytest_bdd.feature import get_feature

from harness import compat
from tests.harness.inner import CANARY, Ran, Runbook, scenario
from tests.harness.terminal import on_terminal

GOOD = scenario("Good", "Given something to begin with", "Then all is well")
BAD = scenario("Bad", "Then all is not well")


@pytest.fixture
def ran(runbook: Runbook) -> Ran:
    """A run of one good and one bad scenario."""
    return runbook.feature("1.feature", GOOD, BAD).run("features", "--execute", "shop")


def test_feature_file_is_a_module_of_scenarios(runbook: Runbook) -> None:
    """pytest.Module._getobj and _genfunctions: a feature file and its scenarios are collected under their names."""
    collected = runbook.feature("1.feature", GOOD, BAD).run("features", "--collect-only").terminal
    for line in ("<FeatureFile 1.feature>", "<Function Good>", "<Function Bad>"):
        assert line in collected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("Scenario: X\n    Given a\n    Then b", id="scenario"),
        pytest.param("Background:\n    Given a\n  Scenario: X\n    Then b", id="background"),
        pytest.param(
            "Scenario Outline: X\n    Given a\n    Then <b>\n    Examples:\n      | b |\n      | 1 |", id="outline"
        ),
    ],
)
def test_steps_are_counted(tmp_path: Path, body: str) -> None:
    """pytest_bdd's parsed scenario: its steps are counted with those of the background."""
    (tmp_path / "x.feature").write_text(f"Feature: X\n  {body}\n")
    file: Any = SimpleNamespace(feature=get_feature(str(tmp_path), "x.feature"))
    item: Any = SimpleNamespace(name="X", originalname="X")
    assert compat.FeatureFile.steps_of(file, item) == 2


def test_scenario_knows_its_place_in_its_file(runbook: Runbook) -> None:
    """callspec.indices and originalname: an outline's rows run in order, at the outline's place in the file."""
    outline = scenario("Several", "Then all is <how>").replace("Scenario:", "Scenario Outline:")
    examples = "    Examples:\n      | how |\n      | well |\n      | not well |"
    ran = runbook.feature("1.feature", BAD, f"{outline}\n{examples}", GOOD).run("features")
    assert [entry["scenario"] for entry in ran.entries("scenario ended")] == [
        "Bad", "Several[well]", "Several[not well]", "Good",
    ]  # fmt: skip


def test_contents_have_the_chapters_as_headings(runbook: Runbook) -> None:
    """TerminalReporter._printcollecteditems: `--collect-only -q` prints chapters as headings, and ids to copy."""
    runbook.feature("1.feature", GOOD).feature("2.feature", BAD)
    ran = runbook.run("features", "--collect-only", "-q")
    assert ran.lines[:6] == ["", "1.feature", "features/1.feature::Good", "", "2.feature", "features/2.feature::Bad"]
    assert runbook.run("features", "--collect-only", "-qq").lines[0] == "features/1.feature: 1"


def test_quiet_reporter_prints_no_dots_and_counts(ran: Ran) -> None:
    """TerminalReporter._tests_ran and _add_stats: pytest prints its summary, but no progress."""
    assert not [line for line in ran.lines if line.startswith("features/1.feature ") or line in (".F", "F.")]
    assert "1 failed, 1 passed" in ran.terminal


def test_everything_that_pytest_prints_is_redacted(runbook: Runbook) -> None:
    """TerminalReporter._tw._file: pytest's own output is redacted as well."""
    runbook.feature("1.feature", scenario("Bad ticket-canary", "Then all is not well"))
    ran = runbook.run("features", "-rA", "-v")
    assert "ticket-canary" not in ran.terminal
    assert "Bad [secret" in ran.terminal


def test_internal_error_is_redacted_for_everybody(runbook: Runbook) -> None:
    """ExceptionRepr.toterminal: an internal error is redacted on the terminal and in JUnit's XML."""
    runbook.steps("def pytest_runtest_logfinish(): raise ValueError(CANARY)").feature("1.feature", GOOD)
    ran = runbook.run("features", "--junitxml=junit.xml")
    assert "INTERNALERROR> ValueError: [secret METRICS_TOKEN]" in ran.terminal
    assert "ValueError: [secret METRICS_TOKEN]" in (runbook.folder / "junit.xml").read_text()


def test_terminal_can_be_tried(runbook: Runbook) -> None:
    """TerminalWriter._file: `through_terminal` returns what the terminal would show, without showing it."""
    runbook.steps("""
def pytest_collection_finish(session):
    from harness.compat import through_terminal

    shown = through_terminal(session.config, ["one ", "ticket-canary"])
    session.config.get_terminal_writer().line("tried: " + repr(shown))
""")
    ran = runbook.feature("1.feature", GOOD).run("features")
    assert "tried: 'one [secret TICKET_TOKEN]'" in ran.terminal


def test_terminal_that_cannot_write_a_character_writes_its_number(runbook: Runbook) -> None:
    """TerminalWriter.write retries after an encoding error; `Redacting` buffers, so it escapes characters itself."""
    ran = runbook.feature("1.feature", scenario("Schäden", "Then all is well")).run(
        "features", "-v", environment={"PYTHONIOENCODING": "ascii"}
    )
    assert ran.exit_code == 0
    assert "Sch" in ran.terminal


def test_line_of_pytest_html_is_left_out(ran: Ran) -> None:
    """TerminalReporter.write_sep: pytest-html's line about its report is not printed."""
    assert "html report" not in ran.terminal
    assert "Generated" not in ran.terminal


def test_progress_is_shown_while_output_is_captured(runbook: Runbook) -> None:
    """CaptureManager.global_and_fixture_disabled: steps are shown as they run, their output is not."""
    runbook.feature("1.feature", scenario("Good", "Given a secret is printed", "Then all is well"))
    ran = runbook.run("features", "-v")
    assert "ok      Given a secret is printed" in ran.terminal
    assert "stdout says" not in ran.terminal
    assert CANARY not in ran.terminal


def test_collecting_says_nothing_on_a_terminal(runbook: Runbook) -> None:
    """TerminalReporter.pytest_collection and report_collect: no `collecting ...` before our first line."""
    with on_terminal(runbook.feature("1.feature", GOOD), "features", "-v") as terminal:
        assert terminal.finish() == 0
    assert "PLAN of shop" in terminal.text
    assert "collecting ..." not in terminal.text


def test_real_terminal_is_reached_while_output_is_captured(runbook: Runbook) -> None:
    """CaptureManager and file descriptor 1: the live view draws on the terminal during a step, redacted."""
    feature = scenario("Secret ticket-canary", "Given a secret is printed", "Then all is well")
    with on_terminal(runbook.feature("1.feature", feature), "features", "-v") as terminal:
        assert terminal.finish() == 0
    assert "Secret [secret TICKET_TOKEN]" in terminal.text
    assert "ok      Given a secret is printed" in terminal.text
    assert "canary" not in terminal.written
    assert "stdout says" not in terminal.text


def test_types_are_those_of_pytest() -> None:
    """`compat.CaptureManager` and `compat.TerminalReporter` are pytest's types."""
    assert (compat.CaptureManager, compat.TerminalReporter) == (CaptureManager, TerminalReporter)
