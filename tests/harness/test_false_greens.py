"""No false greens: every kind of failure is shown as one everywhere, to people and to machines.

docs/harness.md, "False greens", has the table for readers.
"""

import json
import os
import re
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.report.page.render import render
from runbook.settings.schema import Deadlines
from tests.harness.inner import Ran, Runbook, scenario

WRONG = "it goes wrong"
DEADLINES = "\n".join(f"{name} = {0.5 if name == 'stable' else 1}" for name in Deadlines.model_fields if name != "step")
EXECUTE = ("features", "--execute", "shop", "--junitxml", "junit.xml")
BAD = scenario("Bad", f"Then {WRONG}", tags="@provides:bad")
LATER = scenario("Later", "When a file is made", tags="@needs:bad")


def step(code: str, *, looks: str = "context.incident.expect(all_well(context))", arguments: str = "context") -> str:
    """Return a step that sees that all is well and then runs `code`."""
    return f"@then({WRONG!r})\ndef goes_wrong({arguments}):\n    {looks}\n    {code}"


def plugin(hook: str, code: str = "raise ValueError('a plugin is broken')") -> str:
    """Return a plugin with that hook, and a step that passes."""
    return f"{step('pass')}\n\n\ndef {hook}:\n    {code}"


def fixture(code: str, *, of_step: bool = False) -> str:
    """Return a fixture with `code`, and a step that passes. The fixture is automatic, or requested by the step."""
    looks = step("pass", arguments="context, around" if of_step else "context")
    return f"import pytest\n\n@pytest.fixture(autouse={not of_step})\ndef around():\n    {code}\n\n\n{looks}"


def green_places(ran: Ran, junit: Path) -> list[str]:
    """Return every place in which the run looks as if it had passed."""
    assert ran.folder is not None, ran.terminal
    page = ran.folder / "record.html"
    text = (page if page.exists() else render(ran.folder / "journal.jsonl")).read_text(encoding="utf-8")
    entries = [json.loads(line) for line in (ran.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    ended = {
        entry.get("scenario"): entry["outcome"]
        for entry in entries
        if entry["kind"].startswith("scenario ") and "outcome" in entry
    }
    good = ("passed", "planned")
    greens = {
        "exit code": ran.exit_code == 0,
        "journal: the run": entries[-1].get("outcome") in good,
        "journal: the scenario": ended.get("Bad") in good,
        "page": 'class="rb-head rb-tone-bad"' not in text,
        "what needs it ran": ended.get("Later") in good,
        "last lines": bool(re.search(r"^(PASSED|PLANNED):", ran.terminal, re.MULTILINE)),
    }
    if junit.exists():
        suites = ET.parse(junit).getroot()  # noqa: S314 - our own file
        greens["JUnit"] = not suites.findall(".//failure") and not suites.findall(".//error")
    return [place for place, is_green in greens.items() if is_green]


IN_STEP = {
    "skip": step("import pytest; pytest.skip('later')"),
    "skip-of-unittest": step("import unittest; raise unittest.SkipTest('later')"),
    "import-or-skip": step("import pytest; pytest.importorskip('no_such_module')"),
    "xfail": step("import pytest; pytest.xfail('known')"),
    "fail": step("import pytest; pytest.fail('known')"),
    "failed-assertion": step("assert context is None"),
    "exception-group": step("raise ExceptionGroup('many', [ValueError('one')])"),
    "sys-exit": step("sys.exit(0)"),
    "pytest-exit": step("import pytest; pytest.exit('enough')"),
    "pytest-exit-with-0": step("import pytest; pytest.exit('enough', returncode=0)"),
    "keyboard-interrupt": step("raise KeyboardInterrupt"),
    "generator-exit": step("raise GeneratorExit"),
    "own-base-exception": step("raise type('Odd', (BaseException,), {})('odd')"),
    "command-at-its-deadline": step("context.host.check(Command(('sleep', '30'), 0.2))"),
    "deadline-of-a-look": step("return Check('x', lambda: Observation(False, 'y'), 'z', 0.2, 0.1)"),
    "hands-over-an-action": step("return Action(ActionName.BRING_UP, 'x', (Command(('true',), 1),))"),
    "warning-made-an-error": step("import warnings; warnings.simplefilter('error'); warnings.warn('odd')"),
    "returns-false": step("return False", looks="pass"),
    "returns-false-behind-a-look": step("return False"),
    "looks-at-nothing": step("pass", looks="pass"),
    "changes-undeclared": step(
        "context.incident.execute(Action(ActionName.BRING_UP, 'x', (Command(('true',), 1),)), context.host)"
    ),
    "missing-fixture": step("pass", arguments="context, no_such_fixture"),
    "stop-asked-for": step("request.session.shouldstop = 'enough'; raise ValueError", arguments="context, request"),
    "failure-caught-by-nobody": step("raise StopIteration"),
}
AROUND_STEP = {
    **{
        f"hook-{hook.partition('(')[0].removeprefix('pytest_')}": plugin(hook)
        for hook in (
            "pytest_bdd_before_scenario()",
            "pytest_bdd_before_step()",
            "pytest_bdd_before_step_call()",
            "pytest_bdd_after_step()",
            "pytest_bdd_after_scenario()",
            "pytest_runtest_logstart()",
            "pytest_runtest_setup()",
            "pytest_runtest_call()",
            "pytest_runtest_teardown()",
            "pytest_runtest_makereport()",
            "pytest_runtest_logreport()",
            "pytest_fixture_setup()",
        )
    },
    "hook-step_error": f"{step('raise ValueError')}\n\n\ndef pytest_bdd_step_error():\n    raise KeyError('broken')",
    "plugin-skips": plugin("pytest_runtest_setup()", "import pytest; pytest.skip('not today')"),
    "plugin-skips-after": plugin("pytest_bdd_after_step()", "import pytest; pytest.skip('not today')"),
    "plugin-runs-nothing": plugin("pytest_runtest_protocol()", "return True"),
    "plugin-calls-nothing": plugin("pytest_pyfunc_call()", "return True"),
    "plugin-exits-with-0": plugin("pytest_runtest_teardown()", "import pytest; pytest.exit('enough', returncode=0)"),
    "fixture-setup": fixture("raise ValueError('broken')"),
    "fixture-skips": fixture("import pytest; pytest.skip('not today')"),
    "fixture-teardown": fixture("yield\n    raise ValueError('broken')"),
    "fixture-teardown-skips": fixture("yield\n    import pytest; pytest.skip('not today')"),
    "fixture-of-the-step": fixture("yield\n    raise ValueError('broken')", of_step=True),
}


@pytest.mark.parametrize("steps", [pytest.param(code, id=name) for name, code in (IN_STEP | AROUND_STEP).items()])
def test_what_goes_wrong_is_green_nowhere(runbook: Runbook, steps: str) -> None:
    """Exit code, terminal, journal, page and JUnit all show the failure; scenarios that need this one do not run."""
    runbook.steps(steps).feature("1.feature", BAD, LATER)
    ran = runbook.run(*EXECUTE)
    assert green_places(ran, runbook.folder / "junit.xml") == []
    assert not (runbook.server / "made").exists()


@pytest.mark.parametrize("steps", [pytest.param(code, id=name) for name, code in IN_STEP.items()])
def test_step_that_goes_wrong_is_not_shown_as_ok(runbook: Runbook, steps: str) -> None:
    """A plan shows neither `ok` nor `plan` for the step, and its record has another outcome."""
    ran = runbook.steps(steps).feature("1.feature", BAD).run("features")
    assert ran.exit_code != 0
    assert not re.search(rf"\b(ok|plan) +Then +{WRONG}", ran.terminal), ran.terminal
    assert [entry["outcome"] for entry in ran.entries("step ended")] not in (["passed"], ["planned"])


def test_when_that_changes_nothing_is_green_nowhere(runbook: Runbook) -> None:
    """A When that returns no Action fails, even if it returns a check that passes."""
    runbook.steps(f"@when({WRONG!r})\ndef goes_wrong(context) -> Action:\n    return all_well(context)")
    ran = runbook.feature("1.feature", BAD.replace("Then", "When"), LATER).run(*EXECUTE)
    assert green_places(ran, runbook.folder / "junit.xml") == []
    assert "nothing was done: the step ended without an action" in " ".join(ran.terminal.split())


@pytest.mark.parametrize(
    "arguments", [("-x",), ("--maxfail=1",), ("--tb=no",), ("-q",), ("--no-summary",), ("-W", "error")]
)
def test_options_do_not_make_it_green(runbook: Runbook, arguments: tuple[str, ...]) -> None:
    """Options that end a run early or shorten its output do not make a failure green."""
    runbook.steps(IN_STEP["skip"]).feature("1.feature", BAD, LATER)
    assert green_places(runbook.run(*EXECUTE, *arguments), runbook.folder / "junit.xml") == []


def test_later_scenario_does_not_make_up_for_it(runbook: Runbook) -> None:
    """A run fails if one of its scenarios never ran, even if another one passed."""
    code = "return True if 'Bad' in item.nodeid else None"
    runbook.steps(plugin("pytest_runtest_protocol(item)", code))
    runbook.feature("1.feature", BAD, scenario("Good", "Then all is well"))
    ran = runbook.run(*EXECUTE)
    assert ran.scenarios == {"Good": "passed"}
    assert (ran.exit_code, ran.ending) == (1, "failed")


def test_scenario_that_is_run_again_does_not_make_up_for_it(runbook: Runbook) -> None:
    """A failed scenario stays failed, even if a plugin runs it again and it passes."""
    again = "from _pytest.runner import runtestprotocol\n    runtestprotocol(item, nextitem=nextitem, log=False)"
    failing_once = step("assert hasattr(sys, 'again') or setattr(sys, 'again', 1)")
    hook = f"def pytest_runtest_protocol(item, nextitem):\n    {again}"
    ran = runbook.steps(f"{failing_once}\n\n\n{hook}").feature("1.feature", BAD, LATER).run(*EXECUTE)
    assert (ran.exit_code, ran.ending) == (1, "failed")
    assert ran.scenarios["Bad"] == "failed"
    assert ran.scenarios["Later"] == "not applicable"


def test_step_at_its_deadline_is_green_nowhere(runbook: Runbook) -> None:
    """A step that hangs is ended at its deadline and fails."""
    settings = runbook.folder / "runbook.toml"
    others = settings.read_text().partition("[deadlines]")[0]
    settings.write_text(f"{others}\n[deadlines]\n{DEADLINES}\nstep = 1\n")
    runbook.steps(step("time.sleep(30)")).feature("1.feature", BAD, LATER)
    ran = runbook.run(*EXECUTE)
    assert green_places(ran, runbook.folder / "junit.xml") == []
    assert ran.scenarios["Bad"] == "failed"


def test_record_that_vanishes_stops_the_run(runbook: Runbook) -> None:
    """If the journal's folder is deleted, nothing more is changed, and the run fails."""
    runbook.steps(step("import shutil; shutil.rmtree('reports')"))
    runbook.feature("1.feature", BAD, scenario("Later", "When a file is made"))
    ran = runbook.run(*EXECUTE)
    assert ran.exit_code == 1, ran.terminal
    assert "without a journal nothing more is changed" in " ".join(ran.terminal.split())
    assert not (runbook.server / "made").exists()


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_timeout_of_a_plugin_is_green_nowhere(runbook: Runbook, method: str) -> None:
    """pytest-timeout is green nowhere: its method `signal` fails the step, `thread` kills the process."""
    runbook.steps(step("time.sleep(30)")).feature("1.feature", BAD, LATER)
    ran = runbook.run(*EXECUTE, "-p", "timeout", "--timeout", "1", "--timeout-method", method)
    assert green_places(ran, runbook.folder / "junit.xml") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_aborted_run_is_green_nowhere(runbook: Runbook, number: signal.Signals) -> None:
    """A run that Ctrl-C, SIGTERM, SIGHUP or SIGKILL ends during a step is green nowhere."""
    waiting = "open(context.production.directory + '/here', 'w').close(); time.sleep(30)"
    runbook.steps(step(waiting)).feature("1.feature", BAD, LATER)
    ran = runbook.run(*EXECUTE, meanwhile=when_there(runbook.server / "here", number))
    assert green_places(ran, runbook.folder / "junit.xml") == []


def when_there(path: Path, number: signal.Signals) -> Callable[[int], None]:
    """Return a function that sends the signal as soon as the file exists."""

    def meanwhile(process: int) -> None:
        until = time.monotonic() + 30
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process, number)

    return meanwhile


def test_process_that_ends_itself_is_green_on_no_record(runbook: Runbook) -> None:
    """After os._exit(0) only the exit code is green, because no code of ours runs; the record is not."""
    ran = runbook.steps(step("import os; os._exit(0)")).feature("1.feature", BAD, LATER).run(*EXECUTE)
    assert green_places(ran, runbook.folder / "junit.xml") == ["exit code"]
    assert "to carry it out" not in ran.terminal


def test_nothing_to_run_is_not_green(runbook: Runbook) -> None:
    """A run of an empty folder of features exits with 5, and with 4 (refused) if --execute is given."""
    assert runbook.run("features").exit_code == 5
    assert runbook.run("features", "--execute", "shop").exit_code == 4


def test_gate_is_not_stepped_round(runbook: Runbook) -> None:
    """An execution is refused if a needed scenario is deselected or in an ignored file."""
    runbook.feature("1.feature", scenario("First", "When a file is made", tags="@provides:bad"))
    runbook.feature("2.feature", LATER)
    for arguments in (["--deselect", "features/1.feature::First"], ["--ignore", "features/1.feature"], ["-k", "Later"]):
        ran = runbook.run(*EXECUTE, *arguments)
        assert ran.exit_code == 4, ran.terminal
        assert not (runbook.server / "made").exists()


@pytest.mark.parametrize("style", ["short", "line", "no", "native", "long", "auto"])
def test_traceback_styles_are_redacted(runbook: Runbook, style: str) -> None:
    """A secret in an error is redacted with every --tb style and in JUnit's XML."""
    runbook.feature("1.feature", scenario("Bug", "Given something to begin with", "Then there is a bug"))
    ran = runbook.run(*EXECUTE, f"--tb={style}", "-o", "junit_logging=all")
    junit = (runbook.folder / "junit.xml").read_text()
    assert ran.exit_code == 1
    for shown in (ran.terminal, ran.page, junit):
        assert "canary" not in shown
    assert "cannot parse [secret METRICS_TOKEN] here" in junit
    assert ("cannot parse [secret METRICS_TOKEN] here" in ran.terminal.partition("= FAILURES =")[2]) == (style != "no")
