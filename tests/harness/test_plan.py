"""A plan and the execution after it run the same steps and the same commands by the same code."""

import pytest

from runbook.report.plan_diff import plan_and_actual
from tests.harness.inner import Runbook, scenario
from tests.support.same_commands import commands, differences

STEPS = """
from pathlib import Path

from runbook.incident.executor import Mode
from runbook.actions import Message, not_known_yet


@when("a note is left")
def note_left(context) -> Action:
    note = Path(context.production.directory, "note")
    names = (f"note-of-{context.incident.name}", "note")
    commands = tuple(Command(("touch", name), 10, context.production.directory) for name in names)
    already = lambda: "there is a note" if note.exists() else None
    change = Action(ActionName.FETCH_IMAGES, "a note is left", commands, already, Scope.IMAGES)
    return change


@when("people are told what is known by then")
def people_told(context) -> Action:
    head = not_known_yet("hash") if context.incident.mode is Mode.PLAN else context.incident.journal.head
    told = Message("said", f"{context.incident.name}, head {head}.", lambda: "said")
    change = Action(ActionName.OPEN_TICKET, "people are told", scope=Scope.PEOPLE, message=told)
    return change


@when("a plan says one thing and its execution does another")
def two_faced(context) -> Action:
    command = Command(("touch", f"made-to-{context.incident.mode}"), 10, context.production.directory)
    return Action(ActionName.BRING_UP, "a file is made", (command,))
"""

LOOKING = scenario("Looking", "Given something to begin with", "Then all is well", tags="@provides:seen")
CHANGING = scenario(
    "Changing",
    "When a file is made",
    "Then all is well",
    "When a message is sent",
    "And people are told what is known by then",
    tags="@needs:seen",
)
FEATURES = ("1.feature", LOOKING, CHANGING)
EXECUTE = ("features", "--execute", "shop")


@pytest.fixture
def runbook(runbook: Runbook) -> Runbook:
    """The small project with the steps of these tests."""
    with (runbook.folder / "steps.py").open("a") as steps:
        steps.write(STEPS)
    return runbook


def test_execution_does_what_the_plan_said(runbook: Runbook) -> None:
    """The execution runs exactly the commands and messages of its plan, in the plan's order."""
    runbook.feature(*FEATURES)
    plan, execution = runbook.run("features"), runbook.run(*EXECUTE)
    assert (plan.exit_code, execution.exit_code) == (0, 0), plan.terminal + execution.terminal
    assert differences(plan.journal, execution.journal) == []
    told = "open ticket: said\nINCIDENT, head [hash, not known yet]."
    assert commands(plan.journal) == ["touch made", "touch sent", told]
    assert commands(execution.journal)[:2] == ["touch made", "touch sent"]


def test_execution_keeps_its_plan(runbook: Runbook) -> None:
    """An execution's journal contains its plan; a second execution has no plan to compare with."""
    runbook.feature(*FEATURES)
    plan, execution = runbook.run("features"), runbook.run(*EXECUTE)
    assert plan.entries("plan") == []
    held = plan_and_actual(execution.journal)
    assert held is not None
    assert (held.plan, held.summary) == (
        plan.journal[0]["incident"],
        "As planned: 3 of 3 changes, 1 of them to production",
    )
    again = plan_and_actual(runbook.run(*EXECUTE).journal)
    assert again is not None
    assert again.summary.startswith("No plan to compare with: incident ")
    assert again.summary.endswith(" has changed production since the last plan")


def test_plan_that_lies_is_told_on_the_record(runbook: Runbook) -> None:
    """Each command that differs from the plan is listed in the execution's journal."""
    runbook.feature("1.feature", scenario("Lying", "When a plan says one thing and its execution does another"))
    runbook.run("features")
    held = plan_and_actual(runbook.run(*EXECUTE).journal)
    assert held is not None
    assert [str(line.text) for line in held.changes[0].lines] == ["touch made-to-plan", "touch made-to-execute"]
    assert held.summary == "Differs from the plan in 1 place: 0 of 1 changes as planned"


def test_rehearsal_plans_as_a_rehearsal(runbook: Runbook) -> None:
    """The plan of a rehearsal changes nothing, its record says "rehearsal", and the execution is compared with it."""
    settings = str(runbook.folder / "runbook.toml")
    runbook.plugin("rehearsal.plugin").feature(*FEATURES)
    plan = runbook.run("features", "--rehearse-plan", settings)
    assert plan.exit_code == 0, plan.terminal
    assert not (runbook.server / "made").exists()
    assert (plan.journal[0]["type"], plan.journal[0]["mode"]) == ("rehearsal-plan", "plan")
    assert "rehearsal" in plan.page
    held = plan_and_actual(runbook.run(*EXECUTE).journal)
    assert held is not None
    assert held.plan == plan.journal[0]["incident"]


def test_what_a_plan_may_do_is_done_once(runbook: Runbook) -> None:
    """A plan carries out actions that change nothing that runs, such as FETCH_IMAGES; the execution finds them done."""
    runbook.feature("1.feature", scenario("Noting", "When a note is left", "And a file is made"))
    plan, execution = runbook.run("features"), runbook.run(*EXECUTE)
    assert [entry["state"] for entry in execution.entries("action")] == ["already so", "begun", "done"]
    assert differences(plan.journal, execution.journal) == []


def test_held_plan_stops_where_its_execution_does(runbook: Runbook) -> None:
    """A plan that stops names the step and the next step in the words of its execution."""
    runbook.feature("1.feature", scenario("Holding", "Then all is not well", "When a file is made"))
    plan, execution = runbook.run("features"), runbook.run(*EXECUTE)
    assert (plan.exit_code, execution.exit_code) == (1, 1)
    assert differences(plan.journal, execution.journal) == []
    assert "  stopped at 1.1.1: Then all is not well" in plan.lines
    assert "  production is held as it is, at: Then all is not well" in execution.lines
    for ran in (plan, execution):
        assert "    next step: look by hand" in ran.lines


def test_plan_that_lies_is_found_out(runbook: Runbook) -> None:
    """`differences`, which these tests and the engine tests use, reports a command that is not the planned one."""
    runbook.feature(
        "1.feature", scenario("Lying", "When a plan says one thing and its execution does another", "Then all is well")
    )
    plan, execution = runbook.run("features"), runbook.run(*EXECUTE)
    assert (plan.exit_code, execution.exit_code) == (0, 0)
    assert differences(plan.journal, execution.journal) == [
        "a file is made: planned ['touch made-to-plan'], executed ['touch made-to-execute']"
    ]


def test_drift_between_plan_and_execution_is_told(runbook: Runbook) -> None:
    """A change that somebody else made between plan and execution is not repeated, and counts as a difference."""
    runbook.feature("1.feature", scenario("Late", "When a file is made", "And a note is left"))
    plan = runbook.run("features")
    (runbook.server / "note").touch()
    execution = runbook.run(*EXECUTE)
    assert execution.exit_code == 0, execution.terminal
    assert differences(plan.journal, execution.journal) == [
        "a note is left: planned in the plan, already so in the execution"
    ]
