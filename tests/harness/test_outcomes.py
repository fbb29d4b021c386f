"""How a run ends: exit code, terminal, journal and page agree, whatever happened in its steps."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from tests.harness.inner import DEADLINE, Runbook, scenario

GOOD = scenario("Good", "Given something to begin with", "Then all is well", tags="@provides:good")
CHANGING = scenario("Changing", "When a file is made", "Then all is well", tags="@provides:changed")
FAILING = scenario("Failing", "When a file is made", "Then all is not well", tags="@provides:never")
DEPENDENT = scenario("Dependent", "When a message is sent", tags="@needs:never @provides:sent")
FURTHER = scenario("Further", "When a message is sent", tags="@needs:sent")
AFTER = scenario("After", "Given something to begin with", tags="@after:never")
EXECUTE = ("features", "--execute", "shop")


def as_people_do(runbook: Runbook) -> "subprocess.CompletedProcess[str]":
    """Start the run as `python -m pytest`."""
    argv = [sys.executable, "-m", "pytest", *EXECUTE, "--allow-unused"]
    folder, variables = runbook.folder, runbook.environment
    return subprocess.run(
        argv, cwd=folder, env=variables, capture_output=True, text=True, timeout=DEADLINE, check=False
    )


def test_good_run_passes(runbook: Runbook) -> None:
    """A run whose checks all pass exits 0, closes its journal as passed, and leaves a page."""
    ran = runbook.feature("1.feature", GOOD).run(*EXECUTE)
    assert ran.exit_code == 0, ran.terminal
    assert ran.ending == "passed"
    assert ran.scenarios == {"Good": "passed"}
    assert "all is well indeed" in ran.page
    assert "PASSED: no changes were made to production" in ran.terminal


def test_last_line_is_the_path_of_the_record(runbook: Runbook) -> None:
    """The last line on the terminal is the record's path and nothing else."""
    ran = runbook.feature("1.feature", GOOD).run(*EXECUTE)
    assert ran.folder is not None
    assert ran.lines[-1] == str(ran.folder / "record.html")


def test_command_line_behaves_like_our_forked_runs(runbook: Runbook) -> None:
    """`python -m pytest`, as people start it, ends like the runs of these tests."""
    runbook.feature("1.feature", GOOD, FAILING)
    forked = runbook.run(*EXECUTE)
    done = as_people_do(runbook)
    assert (done.returncode, done.stderr) == (forked.exit_code, "")
    assert len(done.stdout.splitlines()) == len(forked.lines)
    assert done.stdout.splitlines()[-1] == str(runbook.records[-1] / "record.html")


def test_run_leaves_nothing_else_behind(runbook: Runbook) -> None:
    """A run leaves only its record: no cache folder and no empty file."""
    runbook.feature("1.feature", GOOD)
    before = {path.name for path in runbook.folder.iterdir()}
    ran = runbook.run(*EXECUTE)
    new = {path.name for path in runbook.folder.iterdir()} - before
    assert new - {"__pycache__"} == {"reports", "asked-of-docker", "terminal.txt"}
    assert ran.folder is not None
    assert sorted(path.name for path in ran.folder.iterdir()) == ["journal.jsonl", "record.html"]


def test_plan_changes_nothing(runbook: Runbook) -> None:
    """A plan records what it would do, changes nothing, and exits 0."""
    ran = runbook.feature("1.feature", CHANGING).run("features")
    assert ran.exit_code == 0, ran.terminal
    assert ran.ending == "planned"
    assert not (runbook.server / "made").exists()
    assert "touch made" in ran.page
    assert "A plan: nothing was changed" in ran.page
    assert [entry["state"] for entry in ran.entries("action")] == ["planned"]
    assert "--execute shop" in ran.terminal


def test_execution_changes(runbook: Runbook) -> None:
    """The same features with --execute make the change, and the last lines count it."""
    ran = runbook.feature("1.feature", CHANGING).run(*EXECUTE)
    assert ran.exit_code == 0, ran.terminal
    assert (runbook.server / "made").exists()
    assert ran.entries("closed")[0]["changes_made"] == ["a file is made"]
    assert "1 change was made to production" in ran.terminal


def test_failed_step_stops_what_needs_it(runbook: Runbook) -> None:
    """A failed step ends the run with 1; scenarios that need its scenario, directly or not, are left out."""
    ran = runbook.feature("1.feature", FAILING, DEPENDENT, FURTHER, AFTER, GOOD).run(*EXECUTE)
    assert ran.exit_code == 1
    assert ran.ending == "failed"
    assert ran.scenarios == {
        "Failing": "failed",
        "Dependent": "not applicable",
        "Further": "not applicable",
        "After": "not applicable",
        "Good": "passed",
    }
    assert not (runbook.server / "sent").exists()
    assert "left out: needs never, which did not pass" in ran.terminal
    assert "Stopped at: Then all is not well" in ran.page
    assert "expected all well; seen: nothing is well" in " ".join(ran.terminal.split())
    assert "look by hand" in " ".join(ran.terminal.split())


def test_scenario_is_not_held_up_by_what_was_not_selected(runbook: Runbook) -> None:
    """`@after:` waits only for scenarios that are part of the run."""
    runbook.feature("1.feature", FAILING, AFTER)
    ran = runbook.run("features", "-k", "After")
    assert ran.exit_code == 0, ran.terminal
    assert ran.scenarios == {"After": "passed"}


def test_run_that_changed_something_and_failed_says_what_production_is(runbook: Runbook) -> None:
    """After a change and a failure the record shows the current state of production, as far as it can be read."""
    ran = runbook.feature("1.feature", FAILING).run(*EXECUTE)
    after = [entry["value"] for entry in ran.entries("fact") if entry["name"] == "after"]
    assert len(after) == 1
    assert after[0]["gate"] == "open"
    assert after[0]["schema"].keys() == {"unknown"}
    assert "production now:" in ran.terminal


def test_unknown_is_not_good(runbook: Runbook) -> None:
    """A check that gets no answer is inconclusive, and the run exits 1."""
    ran = runbook.feature("1.feature", scenario("Unknown", "Then nobody knows")).run(*EXECUTE)
    assert ran.exit_code == 1
    assert ran.scenarios == {"Unknown": "inconclusive"}
    assert ran.ending == "failed"
    assert "UNKNOWN" in ran.terminal
    assert "Production is held as it is:" in ran.page


def test_unknown_that_a_person_vouches_for_does_not_stop(runbook: Runbook) -> None:
    """With --override and a reason the scenario passes and those that need it run; the step stays inconclusive."""
    unknown = scenario("Unknown", "Then nobody knows", "And all is well", tags="@provides:known")
    runbook.feature("1.feature", unknown, scenario("Later", "When a file is made", tags="@needs:known"))
    ran = runbook.run(*EXECUTE, "--override", "1.1.1", "--because", "seen on the wall")
    assert ran.exit_code == 0, ran.terminal
    assert ran.scenarios == {"Unknown": "passed", "Later": "passed"}
    assert [entry["outcome"] for entry in ran.entries("step ended")] == ["inconclusive", "passed", "passed"]
    assert "failed or inconclusive, but accepted by a person: 1.1.1" in ran.terminal
    other = runbook.run(*EXECUTE, "--override", "1.1.2", "--because", "seen on the wall")
    assert other.scenarios == {"Unknown": "inconclusive", "Later": "not applicable"}


def test_bug_is_told_with_its_place_and_without_its_secret(runbook: Runbook) -> None:
    """An unexpected exception fails the run, with a redacted traceback on the terminal and the page."""
    ran = runbook.feature("1.feature", scenario("Bug", "Given something to begin with", "Then there is a bug")).run(
        *EXECUTE
    )
    assert ran.exit_code == 1
    assert ran.scenarios == {"Bug": "failed"}
    for shown in (ran.terminal, ran.page):
        assert "steps.py" in shown
        assert "canary" not in shown
        assert "cannot parse [secret METRICS_TOKEN] here" in shown


def test_warning_of_a_library_does_not_stop_a_rollback(runbook: Runbook) -> None:
    """A deprecation warning is not an error in a run of the runbook, although it is one in our own tests."""
    ran = runbook.feature("1.feature", scenario("Warned", "Then there is a warning")).run(*EXECUTE)
    assert ran.exit_code == 0, ran.terminal


_AT_BOTH_ENDS = """
import warnings

import pytest

def pytest_sessionstart():
    warnings.warn("a library is deprecated", DeprecationWarning)

@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure():
    raise RuntimeError("a plugin's own fault")
"""


def test_plugin_that_warns_or_fails_at_the_ends_of_a_run_hides_nothing(runbook: Runbook) -> None:
    """A warning before the scenarios is no error; the last lines are printed even if a plugin fails at the end."""
    with (runbook.folder / "steps.py").open("a") as file:
        file.write(_AT_BOTH_ENDS)
    runbook.feature("1.feature", GOOD)
    done = as_people_do(runbook)
    assert done.stdout.splitlines()[-1] == str(runbook.records[-1] / "record.html"), done.stdout + done.stderr
    assert "PASSED: no changes were made to production" in done.stdout
    assert "a plugin's own fault" in done.stderr


def test_first_failure_can_end_the_run(runbook: Runbook) -> None:
    """With -x the run ends at the first failure, with its journal closed as failed."""
    ran = runbook.feature("1.feature", FAILING, GOOD).run(*EXECUTE, "-x")
    assert ran.exit_code in (1, 2)
    assert ran.ending == "failed"
    assert ran.scenarios == {"Failing": "failed"}


def test_missing_secret_is_told_by_its_place(runbook: Runbook) -> None:
    """A missing secret fails the first step that uses it, and the error names its place in the env file."""
    (runbook.server / ".env").write_text("IMAGE_TAG=v1\n")
    ran = runbook.feature("1.feature", scenario("Tools", "Given the metrics are at hand")).run(*EXECUTE)
    assert ran.exit_code == 1
    assert "no secret in METRICS_TOKEN of the env file" in " ".join(ran.terminal.split())
    assert ran.scenarios == {"Tools": "failed"}


def test_record_says_from_where_it_was_run(runbook: Runbook) -> None:
    """The record names the user behind sudo, the SSH client's address, and the host whose engine answered."""
    runbook.feature("1.feature", GOOD)
    context = [{"Name": "prod", "Endpoints": {"docker": {"Host": runbook.engine.url}}}]
    (runbook.folder / "context.json").write_text(json.dumps(context))
    came = {"SUDO_USER": "ada", "SSH_CONNECTION": "203.0.113.7 50022 10.0.0.5 22"}
    environment = came | {"DOCKER_CONTEXT": "prod", "DOCKER_HOST": ""}
    (opened,) = runbook.run("features", environment=environment).entries("opened")
    assert opened["operator"].endswith(" (by sudo: ada)")
    assert opened["operator_from"] == "203.0.113.7"
    assert (opened["host"], opened["engine"]) == ("prod-1", "DOCKER_CONTEXT=prod")


def test_run_never_shares_a_record_with_another(runbook: Runbook) -> None:
    """If a record of the same second exists, the run adds a number to its name and leaves that record unchanged."""
    runbook.feature("1.feature", GOOD)
    reports = runbook.folder / "reports"
    for seconds in range(60):
        stamp = datetime.now(UTC) + timedelta(seconds=seconds)
        (reports / f"{stamp:%Y%m%dT%H%M%SZ}-shop-plan").mkdir(parents=True)
    ran = runbook.run("features")
    assert ran.exit_code == 0, ran.terminal
    assert ran.folder is not None
    assert ran.folder.name.endswith("-shop-plan-2")
    assert ran.entries("opened")[0]["incident"] == ran.folder.name
    assert [path for path in runbook.records if list(path.iterdir())] == [ran.folder]
