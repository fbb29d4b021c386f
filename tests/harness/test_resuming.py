"""--resume continues an incident in its journal; an incident that is over, or of another production, is refused."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.inner import Ran, Runbook, scenario
from tests.harness.test_refusals import refusal
from tests.harness.test_signals import after_file
from tests.support.forging import lines_in, put, resealed, sealed_anew

MADE = scenario("Made", "When a file is made", "Then all is well", tags="@provides:made")
SWITCH = scenario("Switch", "When a long command is run", tags="@needs:made @provides:switched")
TOLD = scenario("Told", "When a message is sent", tags="@needs:switched @provides:told")
ENDS_BADLY = scenario("Bad", "Then all is not well", tags="@needs:told @provides:good")
EXECUTE = ("--execute", "shop")


def broken_off(runbook: Runbook, how: signal.Signals = signal.SIGTERM) -> Ran:
    """Return a run that was stopped during its second change."""
    runbook.feature("1.feature", MADE, SWITCH, TOLD)
    pid = runbook.server / "pid"
    ran = runbook.run("features", *EXECUTE, meanwhile=after_file(pid, how))
    if how is signal.SIGKILL:
        os.kill(int(pid.read_text()), signal.SIGKILL)
    assert ran.folder is not None
    return ran


def name_of(ran: Ran) -> str:
    assert ran.folder is not None
    return ran.folder.name


def resumed(
    runbook: Runbook, ran: Ran, *arguments: str, meanwhile: Callable[[int], None] = lambda _process: None
) -> Ran:
    """Resume that run. The long command is now a short one."""
    steps = runbook.folder / "steps.py"
    steps.write_text(steps.read_text().replace("sleep 60", "true"))
    again = runbook.run("features", "--resume", name_of(ran), *EXECUTE, *arguments, meanwhile=meanwhile)
    again.folder = ran.folder
    return again


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_incident_goes_on_where_it_stopped(runbook: Runbook, how: signal.Signals) -> None:
    """A stopped or killed incident is resumed in its journal, which is whole at the end and contains both runs."""
    ran = broken_off(runbook, how)
    again = resumed(runbook, ran)
    assert again.exit_code == 0, again.terminal
    assert again.ending == "passed"
    assert [entry["operator"] for entry in again.entries("resumed")] != []
    outcomes = [(entry["scenario"], entry["outcome"]) for entry in again.entries("scenario ended")]
    assert outcomes[-3:] == [("Made", "passed"), ("Switch", "passed"), ("Told", "passed")]
    assert again.entries("closed")[-1]["reached"] == ["made", "switched", "told"]
    assert again.lines[-1] == str(ran.folder / "record.html" if ran.folder else "")
    assert "Interrupted" not in again.page.partition("Timeline")[0]
    assert "resumed at" in again.page


def test_dead_run_is_followed_by_nobody_else(runbook: Runbook) -> None:
    """After SIGKILL a new incident is refused: the lock's process has ended, and the command to resume is shown."""
    ran = broken_off(runbook, signal.SIGKILL)
    said = refusal(runbook.run("features", *EXECUTE))
    assert "its process has ended" in said
    assert f"--resume {name_of(ran)} --execute shop" in said
    assert resumed(runbook, ran).exit_code == 0
    assert not (runbook.server / ".runbook" / "lock").exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_lock_is_let_go_of_when_a_run_is_stopped(runbook: Runbook, how: signal.Signals) -> None:
    """A run that SIGTERM or SIGHUP stops releases the lock and says so."""
    ran = broken_off(runbook, how)
    assert "lock      released" in ran.terminal
    assert not (runbook.server / ".runbook" / "lock").exists()


def test_command_that_was_left_at_work_is_waited_for(runbook: Runbook) -> None:
    """A resumed run waits for the end of a command that the killed run left running."""
    steps = runbook.folder / "steps.py"
    at_work = "until test -e go; do sleep 0.1; done; echo ended > ended"
    steps.write_text(steps.read_text().replace("sleep 60", at_work))
    runbook.feature("1.feature", MADE, SWITCH, TOLD)

    def wait_for(kind: str, words: str = "") -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            journals = runbook.folder.glob("reports/[!.]*/journal.jsonl")
            lines = [line for each in journals for line in each.read_text().splitlines()]
            if any(f'"kind":"{kind}"' in line.replace(": ", ":") and words in line for line in lines):
                return
            time.sleep(0.05)

    def kill(process: int) -> None:
        wait_for("command began", "test -e go")
        os.kill(process, signal.SIGKILL)

    def let_it_end(_process: int) -> None:
        wait_for("resumed")
        time.sleep(2)  # by then the resumed run waits for it
        (runbook.server / "go").touch()

    ran = runbook.run("features", *EXECUTE, meanwhile=kill)
    assert not (runbook.server / "ended").exists()

    again = resumed(runbook, ran, meanwhile=let_it_end)
    assert (runbook.server / "ended").exists()
    (left,) = again.entries("left behind")
    assert left["how"] == "came to its end"
    assert "which a dead run left running" in again.terminal


def test_what_passed_before_must_pass_again(runbook: Runbook) -> None:
    """A resumed run checks scenarios again that had passed, and a failure stops those that need them."""
    ran = broken_off(runbook)
    runbook.feature("1.feature", MADE.replace("all is well", "all is not well"), SWITCH, TOLD)
    again = resumed(runbook, ran)
    assert again.exit_code == 1
    assert "left out: needs made, which did not pass" in again.terminal


def test_people_are_told_once(runbook: Runbook) -> None:
    """A message that was sent before the failure is not sent again when the incident is resumed."""
    runbook.feature("1.feature", MADE, SWITCH.replace("a long command is run", "a file is made"), TOLD, ENDS_BADLY)
    ran = runbook.run("features", *EXECUTE)
    assert ran.exit_code == 1
    (runbook.server / "sent").unlink()
    again = resumed(runbook, ran)
    assert not (runbook.server / "sent").exists()
    states = [entry["state"] for entry in again.entries("action") if entry["summary"] == "a message is sent"]
    assert states == ["begun", "done", "already so"]


def test_facts_of_before_are_those_of_the_first_run(runbook: Runbook) -> None:
    """The recorded state of production before the first change is not overwritten by a resumed run."""
    see = scenario("Seen", "Then the state of production before any change is on record", tags="@provides:seen")
    steps = runbook.folder / "steps.py"
    steps.write_text(
        steps.read_text()
        + '\n\n@then("the state of production before any change is on record")\ndef before(context):\n'
        + "    from runbook.chapters import identify_target\n    return identify_target.record_before(context)\n"
    )
    runbook.feature("1.feature", see, MADE, SWITCH, TOLD)
    ran = runbook.run("features", *EXECUTE, meanwhile=after_file(runbook.server / "pid", signal.SIGTERM))
    again = resumed(runbook, ran)
    names = [entry["name"] for entry in again.entries("fact")]
    assert names.count("before") == 1
    assert "found again" in names


def plan(runbook: Runbook) -> str:
    ran = runbook.feature("1.feature", MADE).run("features")
    return name_of(ran)


def over(runbook: Runbook) -> str:
    ran = runbook.feature("1.feature", MADE).run("features", *EXECUTE)
    return name_of(ran)


def nothing(runbook: Runbook) -> str:
    runbook.feature("1.feature", MADE)
    return "20260101T000000Z-shop-rollback"


def edited(runbook: Runbook) -> str:
    ran = broken_off(runbook)
    journal = Path(str(ran.folder)) / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"seq":3', '"seq": 3'))
    return name_of(ran)


def of_a_newer_format(runbook: Runbook) -> str:
    ran = broken_off(runbook)
    journal = Path(str(ran.folder)) / "journal.jsonl"
    lines = lines_in(journal)
    put(journal, sealed_anew([resealed(lines[0], format=2), *lines[1:]]))
    return name_of(ran)


def of_another_folder(runbook: Runbook) -> str:
    ran = broken_off(runbook)
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace(f'directory = "{runbook.server}"', 'directory = "/srv/other"'))
    return name_of(ran)


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        pytest.param(plan, EXECUTE, "was a plan", id="plan"),
        pytest.param(over, EXECUTE, "has ended: it passed", id="over"),
        pytest.param(nothing, EXECUTE, "no journal of that incident", id="unknown"),
        pytest.param(edited, EXECUTE, "was changed after it was written", id="edited"),
        pytest.param(of_a_newer_format, EXECUTE, "has format 2", id="newer-format"),
        pytest.param(of_another_folder, EXECUTE, "name the right settings", id="other-production"),
        pytest.param(
            lambda runbook: name_of(broken_off(runbook)), (), "resuming changes production", id="without-execute"
        ),
        pytest.param(
            lambda runbook: name_of(broken_off(runbook)),
            (*EXECUTE, "-m", "emergency"),
            "is of the kind rollback",
            id="kind",
        ),
        pytest.param(lambda runbook: f"../{nothing(runbook)}", EXECUTE, "is not an incident's name", id="path"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(
    runbook: Runbook, prepare: "pytest.FixtureRequest", arguments: tuple[str, ...], said: str
) -> None:
    """An incident that cannot be resumed is refused with the reason, and its record stays unchanged."""
    name = prepare(runbook)  # type: ignore[operator]
    record = runbook.folder / "reports" / name
    kept = {path.name: path.read_bytes() for path in record.iterdir()} if record.is_dir() else {}
    assert said in refusal(runbook.run("features", "--resume", name, *arguments))
    assert {path.name: path.read_bytes() for path in record.iterdir()} == kept if kept else not record.exists()


def test_other_target_is_another_incident(runbook: Runbook) -> None:
    """After a change, --resume with another target is refused, with the command for the other target."""
    ran = broken_off(runbook)
    journal = Path(str(ran.folder)) / "journal.jsonl"
    asked = json.loads(journal.read_text().splitlines()[0])["asked_for"]
    assert asked["target"] is None
    pinned = scenario("Pinned", "Given the target is v1", tags="@provides:pinned")
    steps = runbook.folder / "steps.py"
    steps.write_text(
        steps.read_text()
        + '\n\n@given("the target is v1")\ndef known(context):\n'
        + '    context.incident.record_fact("target", {"tag": "v1"})\n'
    )
    runbook.feature("1.feature", pinned, MADE, ENDS_BADLY.replace("@needs:told ", ""))
    ran = runbook.run("features", *EXECUTE)
    said = refusal(runbook.run("features", "--resume", name_of(ran), *EXECUTE, "--to", "v2"))
    assert "has the target v1, but --to names v2" in said
    assert "omit --to; to go to v2 instead, type" in said


WAY = scenario("Way", "Given the strategy is image-only", tags="@provides:way")
WAY_STEP = '@given("the strategy is image-only")\ndef way(context):\n'
WAY_STEP += '    context.incident.record_fact("strategy", "image-only")'


def test_what_is_for_another_way_back_is_not_left(runbook: Runbook) -> None:
    """Scenarios of another strategy, and those that need them, do not count as remaining: the incident is over."""
    first = scenario("First", "When a file is made", tags="@strategy:downgrade @needs:way @provides:first")
    second = scenario("Second", "When a file is made", tags="@strategy:downgrade @needs:first @provides:second")
    runbook.steps(WAY_STEP).feature("1.feature", WAY, first, second)
    ran = runbook.run("features", *EXECUTE)
    assert [entry["reason"] for entry in ran.entries("scenario left out")] == [
        "is only for the strategy downgrade; this one is image-only"
    ] * 2
    assert ran.entries("closed")[-1]["remaining"] == []
    assert "has ended: it passed" in refusal(runbook.run("features", "--resume", name_of(ran), *EXECUTE))


@pytest.mark.parametrize("mark", ["post_deploy", "pre_deploy", "emergency or post_deploy"])
def test_validation_is_not_executed(runbook: Runbook, mark: str) -> None:
    """--execute is refused with a validation, because only a rollback, an emergency and a restore can be executed."""
    runbook.feature("1.feature", MADE)
    release = ("--release", "v2") if mark == "pre_deploy" else ()
    assert "--execute allows only -m emergency and -m restore" in refusal(
        runbook.run("features", *EXECUTE, "-m", mark, *release)
    )
    assert not (runbook.server / "made").exists()


def test_scenario_that_never_ran_is_not_said_to_have_passed(runbook: Runbook) -> None:
    """After the @until point a resumed run reports only those early scenarios as passed that did pass."""
    late = scenario("Late", "When a file is made", tags="@until:switched @needs:never @provides:late")
    never = scenario("Never", "Then all is not well", tags="@until:switched @provides:never")
    early = scenario("Early", "When a file is made", tags="@until:switched @provides:made")
    switch = SWITCH.replace("a long command is run", "a file is made")
    runbook.feature("1.feature", early, never, late, switch, TOLD, ENDS_BADLY)
    ran = runbook.run("features", *EXECUTE)
    again = runbook.run("features", "--resume", name_of(ran), *EXECUTE)
    again.folder = ran.folder
    reasons = {entry["scenario"]: entry["reason"] for entry in again.entries("scenario left out")}
    assert reasons["Early"] == "passed already in this incident"
    assert reasons["Never"] == reasons["Late"] == "did not complete in this incident, and is no longer needed"


def test_other_text_than_the_incident_began_with_is_told(runbook: Runbook) -> None:
    """Each start journals the hashes of features and code; a resumed run says if the features have changed."""
    runbook.feature("1.feature", MADE, SWITCH.replace("a long command is run", "a file is made"), TOLD, ENDS_BADLY)
    ran = runbook.run("features", *EXECUTE)
    again = runbook.run("features", "--resume", name_of(ran), *EXECUTE)
    assert "other" not in again.terminal.partition("FAILED")[0]
    runbook.feature("1.feature", MADE, SWITCH.replace("a long command is run", "a file is made"), TOLD)
    last = runbook.run("features", "--resume", name_of(ran), *EXECUTE)
    last.folder = ran.folder
    assert "features changed since the incident's last run" in last.terminal
    assert "Changed between the runs of this incident: features." in last.page
    first, same, other = (last.entries("opened")[0]["text"], *(e["text"] for e in last.entries("resumed")))
    assert first == same
    assert (first["features"] == other["features"], first["code"] == other["code"]) == (False, True)
