"""Three-state checks: an inconclusive check stops the scenarios that need it, unless a person overrides it."""

import getpass
import shlex

import pytest

from tests.harness.inner import CANARY, Ran, Runbook, scenario
from tests.harness.test_refusals import refusal

KNOWN = scenario("Known", "Then all is well", tags="@provides:known")
UNKNOWN = scenario("Unknown", "Then all is well", "And nobody knows", tags="@needs:known @provides:seen")
MAKING = scenario("Making", "When a file is made", tags="@needs:seen @provides:made")
BAD = scenario("Bad", "Then all is not well", tags="@provides:bad")
BEHIND_A_CHANGE = """
@when("something is sent")
def something_sent(context) -> Action:
    command = Command(("true",), 10, context.production.directory)
    return Action(ActionName.BRING_UP, "something is sent", (command,))


@then("the schema is another one")
def another_schema(context):
    look = lambda: Observation(ok=False, seen="it is another one")
    return Check("the schema", look, "look", acceptable=False)
"""
EXECUTE = ("--execute", "shop")
ID = "1.2.2"
VOUCHED = ("--override", ID, "--because", "I looked by hand")


def run(runbook: Runbook, *arguments: str) -> Ran:
    return runbook.feature("1_first.feature", KNOWN, UNKNOWN, MAKING).run("features", *EXECUTE, *arguments)


def test_unknown_stops_what_needs_it_and_names_the_way_on(runbook: Runbook) -> None:
    """An inconclusive step stops the scenarios that need it; the last lines name the --override that accepts it."""
    ran = run(runbook)
    assert ran.exit_code == 1
    assert ran.scenarios == {"Known": "passed", "Unknown": "inconclusive", "Making": "not applicable"}
    assert not (runbook.server / "made").exists()
    assert ran.folder is not None
    typed = f"--resume {ran.folder.name} --override {ID} --because 'how you know' --execute shop"
    assert f"pytest features {typed}" in " ".join(ran.terminal.split())


@pytest.mark.parametrize("resumed", [False, True])
def test_person_can_vouch_for_it(runbook: Runbook, resumed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """With --override the run continues; the step stays inconclusive, and person and reason are on record."""
    resume = ("--resume", str((run(runbook).folder or runbook.folder).name)) if resumed else ()
    earlier = runbook.records[-1:] if resumed else []
    ran = run(runbook, *resume, *VOUCHED)
    ran.folder = ran.folder or earlier[0]
    assert ran.exit_code == 0, ran.terminal
    assert (runbook.server / "made").exists()
    steps = {entry["id"]: entry for entry in ran.entries("step began")}
    assert steps[ID]["text"] == "nobody knows"
    last = [entry["outcome"] for entry in ran.entries("step ended")]
    assert "inconclusive" in last
    (decision,) = [entry for entry in ran.entries("decision") if entry.get("about") == ID]
    assert decision["evidence"][0] == f"{getpass.getuser()} vouches for it: I looked by hand"
    assert "nobody answers" in decision["evidence"][1]
    assert f"failed or inconclusive, but accepted by a person: {ID}" in ran.terminal
    assert "vouches for it: I looked by hand" in ran.page
    assert "UNKNOWN" in ran.terminal


def test_person_can_accept_what_failed(runbook: Runbook) -> None:
    """A failed check can be accepted with --override and a reason; it stays failed on record, and the run continues."""
    worse = scenario("Worse", "Then all is not well", "And all is well", tags="@needs:changed @provides:seen")
    changed = scenario("Changed", "When something is sent", tags="@provides:changed")
    runbook.steps(BEHIND_A_CHANGE).feature("1_first.feature", changed, worse, MAKING)
    ran = runbook.run("features", *EXECUTE)
    assert ran.exit_code == 1
    assert ran.folder is not None
    said = " ".join(ran.terminal.split())
    assert "or, if you know better, go on with " in said
    assert f"--resume {ran.folder.name} --override 1.2.1 --because 'how you know' --execute shop" in said
    again = runbook.run(
        "features", *EXECUTE, "--resume", ran.folder.name, "--override", "1.2.1", "--because", "it is well"
    )
    again.folder = ran.folder
    assert again.exit_code == 0, again.terminal
    assert (runbook.server / "made").exists()
    outcomes = {entry["outcome"] for entry in again.entries("step ended")[-4:]}
    assert outcomes == {"passed", "failed"}
    (decision,) = [entry for entry in again.entries("decision") if entry.get("about") == "1.2.1"]
    assert decision["evidence"][0] == f"{getpass.getuser()} accepts it: it is well"
    assert "it failed, and" in again.page
    assert "failed or inconclusive, but accepted by a person: 1.2.1" in again.terminal


def test_emergency_offers_to_go_on_before_anything_was_changed(runbook: Runbook) -> None:
    """Before any change only an emergency offers --override: a wrong check must not prolong the harm."""
    switched = scenario("Switched", "Given all is not well", "When a file is made", tags="@emergency")
    runbook.steps('given("all is not well")(not_well)').feature("4_first.feature", switched)
    marks = ("features", "-m", "emergency")
    planned = " ".join(runbook.run(*marks).terminal.split())
    override = "--override 4.1.1 --because 'how you know'"
    assert "or, if you know better, go on with " in planned
    assert "pytest features -m emergency --because 'how you know' --override 4.1.1" in planned
    ran = runbook.run(*marks, *EXECUTE)
    assert ran.exit_code == 1
    assert ran.folder is not None
    typed = f"features -m emergency --resume {ran.folder.name} {override} --execute shop"
    assert typed in " ".join(ran.terminal.split())
    again = runbook.run(*shlex.split(typed))
    assert again.exit_code == 0, again.terminal
    assert (runbook.server / "made").exists()
    runbook.feature("4_first.feature", scenario("Rolled back", "Given all is not well", tags="@provides:seen"))
    assert "--override" not in runbook.run("features").terminal


def test_what_nobody_may_accept_stays_failed(runbook: Runbook) -> None:
    """A failed check that is declared not acceptable (digests, schema) stops the run despite --override."""
    bad = scenario("Bad", "Then the schema is another one", tags="@provides:bad")
    runbook.steps(BEHIND_A_CHANGE).feature("1_first.feature", bad)
    ran = runbook.run("features", *EXECUTE, "--override", "1.1.1", "--because", "it is well")
    assert ran.exit_code == 1
    assert ran.scenarios == {"Bad": "failed"}


def test_option_that_had_no_effect_says_so(runbook: Runbook) -> None:
    """Options without effect are listed: an override of a passed step, a verdict or a loss that no step asked for."""
    options = ("--verdict", "additive", "--accept-loss", "c3", "--override", "1.1.1", "--because", "so it is")
    ran = runbook.feature("1_first.feature", KNOWN).run("features", *EXECUTE, *options)
    assert ran.exit_code == 0
    for option in ("--verdict additive", "--accept-loss c3", "--override 1.1.1"):
        assert f"{option} had no effect: " in ran.terminal
    assert "no effect" not in runbook.run("features", *EXECUTE).terminal


def test_override_is_given_for_one_step(runbook: Runbook) -> None:
    """An override of one step does not apply to another step."""
    other = scenario("Other", "Then nobody knows", tags="@provides:other")
    runbook.feature("1_first.feature", KNOWN, UNKNOWN, other)
    ran = runbook.run("features", *EXECUTE, *VOUCHED)
    assert ran.exit_code == 1
    assert ran.scenarios == {"Known": "passed", "Unknown": "passed", "Other": "inconclusive"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--override", ID), "--override needs --because", id="without-reason"),
        pytest.param(("--override", ID, "--because", "  "), "--override needs --because", id="blank-reason"),
        pytest.param(("--override", "9.9.9", "--because", "x"), "no step of this run has that id", id="nonsense"),
    ],
)
def test_override_that_cannot_be_meant_is_refused(runbook: Runbook, arguments: tuple[str, ...], said: str) -> None:
    """An override without a reason, or of a step that does not exist, is refused."""
    assert said in refusal(run(runbook, *arguments))
    assert not (runbook.server / "made").exists()


def test_step_that_was_known_is_not_overridden_when_resumed(runbook: Runbook) -> None:
    """In a resumed incident only steps that failed or were inconclusive can be overridden."""
    ran = run(runbook)
    name = str((ran.folder or runbook.folder).name)
    said = refusal(run(runbook, "--resume", name, "--override", "1.1.1", "--because", "x"))
    assert "did not fail and was not inconclusive" in said


def test_reason_is_redacted_from_the_first_entry_on(runbook: Runbook) -> None:
    """A secret of the env file is redacted in the reason that a person typed."""
    ran = run(runbook, "--override", ID, "--because", f"curl with {CANARY} worked")
    assert ran.exit_code == 0, ran.terminal
    assert ran.folder is not None
    for written in ((ran.folder / "journal.jsonl").read_text(), ran.page, ran.terminal):
        assert "canary" not in written
    assert "curl with [secret" in ran.page
