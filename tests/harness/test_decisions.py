"""A plan that waits for a person's decision names it, shows the commands, and exits with 6."""

import shlex

from tests.harness.inner import Ran, Runbook, scenario
from tests.support.same_commands import commands

STEPS = """
@given("the verdict is breaking")
def breaking(context):
    context.incident.record_fact("strategy", "downgrade")


@then("the verdict decides the strategy")
def verdict(context):
    options = ("--verdict", "breaking", "--because", "why it is so")
    asked = context.options.verdict
    if asked:
        context.incident.record_fact("strategy", "downgrade" if asked == "breaking" else "image-only")
    look = lambda: Observation(bool(asked), "review", final=True)
    return Check("a verdict", look, "decide", decided_by=options)


@then("the loss is accepted")
def loss(context):
    accepted = context.options.accept_loss == "c3"
    look = lambda: Observation(accepted, "would be destroyed: orders.note", final=True)
    return Check("the loss accepted", look, "decide", decided_by=("--accept-loss", "c3"))


@given("the target runs already")
def runs_already(context):
    context.incident.record_fact("nothing to do", "v1 already runs and serves traffic, and no rollback is open")
"""
SEEN = scenario("Seen", "Given the verdict is breaking", tags="@provides:seen")
JUDGED = scenario("Judged", "Then the verdict decides the strategy", tags="@provides:seen")
BACK = scenario("Back", "When a message is sent", tags="@strategy:image-only @needs:seen")
ACCEPTED = scenario("Accepted", "Then the loss is accepted", tags="@strategy:downgrade @needs:seen @provides:accepted")
UNDONE = scenario("Undone", "When a file is made", tags="@strategy:downgrade @needs:accepted")
EXECUTE = ("--execute", "shop")


def plan(runbook: Runbook, *scenarios: str) -> Ran:
    return runbook.steps(STEPS).feature("1.feature", *scenarios).run("features")


def typed(ran: Ran) -> list[str]:
    """Return the arguments of the command in the last lines."""
    (command,) = (line.strip() for line in ran.lines if line.strip().split(" ")[0].endswith("pytest"))
    return shlex.split(command)[1:]


def test_loss_that_is_not_accepted_is_a_decision(runbook: Runbook) -> None:
    """The plan shows the commands after the open decision, exits with 6, and its printed command carries it out."""
    ran = plan(runbook, SEEN, ACCEPTED, UNDONE)
    assert (ran.exit_code, ran.ending) == (6, "decision needed")
    assert "touch made" in commands(ran.journal)
    assert ran.lines[1].endswith("DECISION NEEDED, nothing was changed")
    assert "  DECISION NEEDED: accept what would be destroyed" in ran.lines
    assert "FAILED" not in ran.terminal
    assert "A plan that waits for a decision: --accept-loss c3; nothing was changed" in ran.page
    assert not (runbook.server / "made").exists()
    assert runbook.run(*typed(ran)).exit_code == 0
    assert (runbook.server / "made").exists()


def test_execution_without_the_decision_stops(runbook: Runbook) -> None:
    """An execution stops at a loss that is not accepted, before it changes anything."""
    runbook.steps(STEPS).feature("1.feature", SEEN, ACCEPTED, UNDONE)
    ran = runbook.run("features", *EXECUTE)
    assert (ran.exit_code, ran.ending) == (1, "failed")
    assert not (runbook.server / "made").exists()


def test_verdict_of_a_person_is_a_decision(runbook: Runbook) -> None:
    """Without a verdict the plan shows only the downgrade; one printed command decides everything that is open."""
    ran = plan(runbook, JUDGED, BACK, ACCEPTED, UNDONE)
    assert (ran.exit_code, ran.ending) == (6, "decision needed")
    assert ran.scenarios["Back"] == "not applicable"
    assert "touch made" in commands(ran.journal)
    assert "touch sent" not in commands(ran.journal)
    decided = runbook.run(*typed(ran))
    assert decided.exit_code == 0, decided.terminal
    assert (runbook.server / "made").exists()


def test_impossible_downgrade_does_not_take_the_decision_away(runbook: Runbook) -> None:
    """An impossible downgrade leaves the decision open, because a person may decide that none is needed."""
    unusable = scenario("Unusable", "Then all is not well", tags="@strategy:downgrade @needs:seen @provides:accepted")
    ran = plan(runbook, JUDGED, BACK, unusable, UNDONE)
    assert (ran.exit_code, ran.ending) == (6, "decision needed")


def test_what_fails_apart_from_a_decision_has_failed(runbook: Runbook) -> None:
    """A plan fails if a check fails that does not depend on the open decision."""
    bad = scenario("Bad", "Then all is not well", tags="@needs:seen")
    ran = plan(runbook, SEEN, ACCEPTED, bad)
    assert (ran.exit_code, ran.ending) == (1, "failed")


def test_nothing_to_do_is_said_and_ends_well(runbook: Runbook) -> None:
    """With nothing to do, plan and execution exit with 0, run nothing else and send no message."""
    nothing = scenario("Target", "Given the target runs already", "Then all is well", tags="@provides:seen")
    told = scenario("Told", "When a message is sent", tags="@needs:seen")
    runbook.steps(STEPS).feature("1.feature", nothing, told)
    for arguments in ((), EXECUTE):
        ran = runbook.run("features", *arguments)
        assert (ran.exit_code, ran.ending) == (0, "nothing to do"), ran.terminal
        assert "NOTHING TO DO" in ran.terminal
        assert "v1 already runs and serves traffic" in ran.terminal
        assert "Nothing to do: " in ran.page
        assert not (runbook.server / "sent").exists()
