"""A plan on one screen, the plan as JSON, and an execution that must follow a given plan."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runbook.report.plan_diff import plan_and_actual
from tests.harness.inner import CANARY, DEADLINE, ROOT, Ran, Runbook, scenario
from tests.support import plans

SCHEMA = json.loads((ROOT / "docs" / "plan.schema.json").read_text(encoding="utf-8"))
STEPS = """
import json
from pathlib import Path


@given("production is looked at")
def looked_at(context):
    for name, value in json.loads(Path(context.production.directory, "facts.json").read_text()).items():
        context.incident.record_fact(name, value)


@when("the release is brought up")
def brought_up(context) -> Action:
    named = Path(context.production.directory, "release").read_text()
    command = Command(("touch", named, "with-" + CANARY.split("/")[0]), 10, context.production.directory)
    return Action(ActionName.BRING_UP, "the release is brought up", (command,), resource="api, jobs", new=named)


@when("the note is written")
def note_written(context) -> Action:
    command = Command(("touch", f"note-of-{context.incident.name}"), 10, context.production.directory)
    return Action(ActionName.OPEN_ROLLBACK, "the note is written", (command,), resource="note")
"""
LOOK = scenario("Look", "Given production is looked at", "Then all is well", tags="@provides:seen")
UP = scenario("Up", "When the note is written", "And the release is brought up", "Then all is well", tags="@needs:seen")
ELSEWHERE = scenario("Elsewhere", "When a message is sent", tags="@strategy:downgrade @needs:seen")
EXECUTE = ("features", "--execute", "shop")


@pytest.fixture
def broken(runbook: Runbook) -> Runbook:
    """A production whose facts, and the release to bring up, are read from files."""
    runbook.steps(STEPS).feature("1.feature", LOOK, UP, ELSEWHERE)
    (runbook.server / "release").write_text(plans.TARGET)
    find(runbook)
    return runbook


def find(runbook: Runbook, **facts: Any) -> None:
    """Write the facts of production: those of `plans.FACTS`, overridden by `facts`."""
    (runbook.server / "facts.json").write_text(json.dumps(dict(plans.FACTS) | facts))


def shown(ran: Ran) -> list[str]:
    """Return the terminal's lines of a plan, without those that differ from run to run."""
    return [line for line in ran.lines if line and "users are NOT served" not in line]


def test_plan_is_one_screen(broken: Runbook) -> None:
    """A plan prints exactly these lines, with the command that carries it out and the record's path, and no steps."""
    ran = broken.run("features")
    assert ran.exit_code == 0
    pytest_of_this = os.path.relpath(Path(sys.prefix) / "bin/pytest", broken.folder)
    assert shown(ran) == [
        "shop on prod-1 · plan of a rollback · nothing was changed",
        "  from        2025-12-18-rc1  not ready: jobs; jobs restarting; 12 errors in",
        "              recent logs; running for 14 min",
        "  to          2025-12-15-rc1  no other",
        "  migrations  unchanged → image-only",
        "  + rollback note  note",
        "  ~ api            sha256:e4e4e4e4e4e4 → sha256:b1b1b1b1b1b1",
        "  ~ jobs           sha256:b9b9b9b9b9b9 → sha256:040404040404",
        "  left out: 1 scenario for other strategies",
        "  Plan: 3 changes, 1 check, no decision needed.",
        "  Users: the expected interruption is unknown",
        "  To carry it out, type:",
        f"    {pytest_of_this} features --to 2025-12-15-rc1 --execute shop",
        str(broken.records[-1] / "record.html"),
    ]


def test_plan_with_its_steps_and_with_their_commands(broken: Runbook) -> None:
    """With -v a plan prints its steps before the summary, with -vv also their commands."""
    steps, commands = broken.run("features", "-v"), broken.run("features", "-vv")
    for ran in (steps, commands):
        assert re.search(r"▲ plan    When  the release is brought up", ran.terminal)
        assert "would check: all well" in ran.terminal
        assert "left out: is only for the strategy downgrade" in ran.terminal
        assert "  migrations  unchanged → image-only" in ran.lines
    assert "would do: the release is brought up" in steps.terminal
    assert "touch" not in steps.terminal
    assert f"touch {plans.TARGET}" in commands.terminal


def test_stopped_plan_says_first_why(broken: Runbook) -> None:
    """A stopped plan begins with the step, the reason and the next command, and has no FAILURES block."""
    broken.feature("1.feature", LOOK, scenario("Bad", "Given the metrics are at hand", "Then all is not well"))
    ran = broken.run("features")
    lines = shown(ran)
    assert ran.exit_code == 1
    assert lines[0] == "shop on prod-1 · plan of a rollback · STOPPED, nothing was changed"
    assert lines[1] == "  stopped at 1.2.2: Then all is not well"
    assert "nothing is well" in lines[2]
    assert lines[3] == "    next step: look by hand"
    typed = next(number for number, line in enumerate(lines) if line.endswith("pytest features"))
    assert typed < next(number for number, line in enumerate(lines) if line.startswith("  from"))
    assert "FAILURES" not in ran.terminal


def test_bug_keeps_its_traceback(broken: Runbook) -> None:
    """An unexpected exception is shown with pytest's traceback, redacted."""
    broken.feature("1.feature", scenario("Bug", "Then there is a bug"))
    assert "cannot parse [secret METRICS_TOKEN] here" in broken.run("features").terminal.partition("= FAILURES =")[2]


def test_interrupt_has_no_block_of_failures(broken: Runbook) -> None:
    """After Ctrl-C there is no FAILURES block; the last lines name the step where the run stopped."""
    broken.feature("1.feature", scenario("Long", "When a long command is run"))

    def interrupt(process: int) -> None:
        end = time.monotonic() + DEADLINE
        while not (broken.server / "pid").exists() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(process, signal.SIGINT)

    ran = broken.run(*EXECUTE, meanwhile=interrupt)
    assert ran.exit_code == 2
    assert "INTERRUPTED: no changes were made to production, and 1 begun but not finished" in ran.lines
    assert "  stopped at: When a long command is run" in ran.lines
    for word in ("FAILURES", "KeyboardInterrupt", "full-trace", "signals.py", "the record names the step"):
        assert word not in ran.terminal


@dataclass(frozen=True)
class Separate:
    """A run with separate standard output and standard error."""

    exit_code: int
    output: str
    errors: str


def separately(runbook: Runbook, *arguments: str, **environment: str) -> Separate:
    paths = {name: runbook.folder / f"{name}.txt" for name in ("output", "errors")}
    streams = {name: str(path) for name, path in paths.items()}
    exit_code = runbook.fork("--allow-unused", *arguments, environment=environment, **streams)
    return Separate(exit_code, *(path.read_text(encoding="utf-8") for path in paths.values()))


def test_plan_for_programs(broken: Runbook) -> None:
    """With --json standard output is only the plan, valid by its schema and redacted."""
    ran = separately(broken, "features", "--json")
    plan = json.loads(ran.output)
    jsonschema.validate(plan, SCHEMA)
    assert (ran.exit_code, plan["outcome"], plan["target"]["tag"]) == (0, "planned", plans.TARGET)
    assert [change["what"] for change in plan["changes"]] == ["rollback note", "api", "jobs"]
    assert plan["following"]["command"].endswith(f"pytest features --to {plans.TARGET} --execute shop")
    journal = (broken.records[-1] / "journal.jsonl").read_text().splitlines()
    assert plan["head"] == json.loads(journal[-1])["sha256"]
    assert CANARY not in ran.output + ran.errors


def test_plan_for_programs_that_stops(broken: Runbook) -> None:
    """A stopped plan is JSON too, with the step and exit code 1, also in a job of GitHub Actions."""
    broken.feature("1.feature", LOOK, scenario("Bad", "Then all is not well"))
    for more in ({}, {"GITHUB_ACTIONS": "true", "CI": "true"}):
        ran = separately(broken, "features", "--json", **more)
        plan = json.loads(ran.output)
        assert (ran.exit_code, plan["outcome"], plan["stopped"]["step"]) == (1, "failed", "1.2.1")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("features", "--json", "--execute", "shop"), "--json prints a plan, but this run makes none"),
        (("features", "--json", "-m", "post_deploy"), "--json prints a plan, but this run makes none"),
        (("features", "--json", "-s"), "--json with -s"),
        (("features", "--plan", "p.json"), "--plan needs --execute"),
        ((*EXECUTE, "--plan", "nowhere.json"), "--plan nowhere.json: no such file"),
        ((*EXECUTE, "--plan", "p.json", "--resume", "i"), "--plan with --resume"),
    ],
)
def test_what_does_not_go_together_is_refused(broken: Runbook, arguments: tuple[str, ...], told: str) -> None:
    """Options that do not go together are refused with the next command, and no record is left."""
    ran = broken.run(*arguments)
    assert (ran.exit_code, ran.folder) == (4, None)
    assert told in ran.terminal
    assert "→" in ran.terminal


def planned(runbook: Runbook, *arguments: str) -> str:
    """Make a plan as a JSON file. Return its path."""
    (runbook.folder / "plan.json").write_text(separately(runbook, "features", "--json", *arguments).output)
    return "plan.json"


def test_plan_is_carried_out(broken: Runbook) -> None:
    """--plan takes a file, a record or a name; the target is the plan's, and the journal contains the plan."""
    made = broken.server / plans.TARGET
    file = planned(broken)
    record = broken.records[-1]
    for given in (file, str(record), record.name):
        ran = broken.run(*EXECUTE, "--plan", given)
        assert ran.exit_code == 0, ran.terminal
        assert made.exists()
        made.unlink()
        assert ran.entries("opened")[0]["asked_for"]["target"] == plans.TARGET
        held = plan_and_actual(ran.journal)
        assert held is not None
        assert (held.plan, held.differences) == (record.name, 0)


ENV_FILE = plans.before(env_file=plans.before()["env_file"] | {"sha256": "77" * 32})
MOVED: dict[str, tuple[dict[str, Any], str]] = {
    "target-digest": (
        {"target": {"tag": plans.TARGET, "images": {}, "digests": {"api": "sha256:9"}}},
        "digest of api to return to",
    ),
    "running-release": (
        {"origin": {"tags": ["v9"], "digests": plans.RAN, "log_errors": {}}},
        "release that ran: planned 2025-12-18-rc1",
    ),
    "verdict": ({"verdict": {"verdict": "additive", "evidence": []}}, "verdict: planned unchanged, now additive"),
    "strategy": ({"strategy": "forward-fix"}, "strategy: planned image-only, now forward-fix"),
    "env-file": ({"before": ENV_FILE}, "the env file: changed since the plan"),
}


@pytest.mark.parametrize(("facts", "told"), MOVED.values(), ids=MOVED)
def test_plan_that_reality_has_left_is_refused(broken: Runbook, facts: dict[str, Any], told: str) -> None:
    """If production has changed since the plan, the execution exits with 4, names the change and changes nothing."""
    file = planned(broken)
    find(broken, **facts)
    ran = broken.run(*EXECUTE, "--plan", file)
    assert ran.exit_code == 4, ran.terminal
    error = next(line for line in ran.lines if line.startswith("ERROR: "))
    assert told in error
    assert "pytest features" in error.partition("→")[2]
    assert "--execute" not in error.partition("→")[2]
    assert not (broken.server / plans.TARGET).exists()
    assert ran.entries("closed")[0]["changes_made"] == []
    assert ran.ending == "failed"
    assert "FAILURES" not in ran.terminal


def test_change_that_the_plan_has_not_is_refused(broken: Runbook) -> None:
    """A change whose command differs from the plan is not begun; earlier changes stay and are listed."""
    file = planned(broken)
    (broken.server / "release").write_text("v9")
    ran = broken.run(*EXECUTE, "--plan", file)
    assert ran.exit_code == 1
    assert not (broken.server / "v9").exists()
    assert ran.entries("closed")[0]["changes_made"] == ["the note is written"]
    assert (
        "is void, because production has changed: the release is brought up: planned touch 2025-12-15-rc1"
        in ran.terminal
    )
    assert "--resume" in ran.terminal


def other_settings(runbook: Runbook) -> None:
    with (runbook.folder / "runbook.toml").open("a") as file:
        file.write("# another\n")


def other_features(runbook: Runbook) -> None:
    runbook.feature("1.feature", LOOK, UP)


def other_production(runbook: Runbook) -> None:
    plan = json.loads((runbook.folder / "plan.json").read_text())
    (runbook.folder / "plan.json").write_text(json.dumps(plan | {"directory": "/srv/other"}))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_settings, "the settings file: changed since the plan"),
        (other_features, "the features: changed since the plan"),
        (other_production, "the plan is for shop in /srv/other"),
    ],
)
def test_plan_of_another_runbook_is_refused(broken: Runbook, change: Callable[[Runbook], None], told: str) -> None:
    """A plan of other settings, other features or another production is refused, and no record is left."""
    file = planned(broken)
    change(broken)
    ran = broken.run(*EXECUTE, "--plan", file)
    assert (ran.exit_code, ran.folder) == (4, None)
    assert told in ran.terminal


@pytest.mark.parametrize(
    ("asked_for", "told"),
    [
        ({"target": {"tag": "v1; rm -rf /", "digests": {}}}, "v1; rm -rf /"),
        ({"target": {"tag": "\x1b[2J", "digests": {}}}, "\\x1b[2J"),
        ({"asked_for": {"verdict": "harmless", "because": "so"}}, "--verdict harmless"),
    ],
)
def test_hostile_plan_is_refused(broken: Runbook, asked_for: dict[str, Any], told: str) -> None:
    """Values from a plan file are checked like typed options, and shown without escape sequences."""
    plan = json.loads(separately(broken, "features", "--json").output)
    (broken.folder / "plan.json").write_text(json.dumps(plan | asked_for))
    ran = broken.run(*EXECUTE, "--plan", "plan.json")
    assert (ran.exit_code, ran.folder) == (4, None)
    assert told in ran.terminal
    assert "\x1b" not in ran.terminal


def test_other_way_than_the_plan_is_refused(broken: Runbook) -> None:
    """A plan is refused together with --to for another target."""
    ran = broken.run(*EXECUTE, "--plan", planned(broken), "--to", "v9")
    assert (ran.exit_code, ran.folder) == (4, None)
    assert f"the plan has target {plans.TARGET}, but v9 was typed" in ran.terminal


def test_help_shows_the_runbook_first(runbook: Runbook) -> None:
    """--help lists the runbook's options before pytest's own."""
    told = runbook.run("--help").terminal
    assert 0 < told.index("--execute") < told.index("--forward-fix") < told.index("-k EXPRESSION")
