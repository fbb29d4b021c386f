"""Every printed command is run in each state in which a person may read it, and must work."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook.report.page.render import render
from tests.harness.inner import ROOT, Ran, Runbook, scenario
from tests.harness.test_refusals import refusal
from tests.harness.test_signals import after_file

STEPS = """
from runbook.chapters import identify_target


@given("production is written down")
def written_down(context):
    return identify_target.record_before(context)


@given("there is such a release")
def release(context):
    tag = context.options.target or "v1"
    context.incident.verify(Check("a release", lambda: Observation(tag in ("v1", "v2"), f"no {tag}"), "name one"))
    context.incident.record_fact("target", {"tag": tag, "images": {}, "digests": {}})


@then("the loss is accepted")
def loss(context):
    accepted = context.options.accept_loss == "c3"
    look = lambda: Observation(accepted, "would be destroyed: orders.note", final=True)
    return Check("the loss accepted", look, "decide", decided_by=("--accept-loss", "c3"))


@when("user traffic is paused")
def paused(context) -> Action:
    return context.gate.pause()


@when("the rollback is noted")
def noted(context) -> Action:
    origin = {"tags": ["v2"], "digests": {}, "log_errors": {}}
    return context.open_rollback.open(context.incident.name, origin, "v1")


@when("user traffic is resumed")
def resumed(context) -> Action:
    context.incident.execute(context.gate.resume(), context.host)
    return context.open_rollback.close()
"""
SEEN = scenario("Seen", "Given production is written down", "And there is such a release", tags="@provides:seen")
LOSS = scenario("Loss", "Then the loss is accepted", tags="@needs:seen @provides:accepted")
NOTED = ("When the rollback is noted", "And user traffic is paused")
PAUSED = scenario("Paused", *NOTED, tags="@needs:seen @provides:out")
ACCEPTED = PAUSED.replace("@needs:seen", "@needs:accepted")
SWITCH = scenario("Switch", "When a long command is run", tags="@needs:out @provides:on")
BACK = scenario("Back", "When user traffic is resumed", "Then all is well", tags="@needs:on @provides:back")
CHECKED = scenario("Checked", "Then all is well", tags="@post_deploy")
SWITCHED = scenario("Switched off", "When a message is sent", tags="@emergency")
RESTORED = scenario("Restored", "Then all is well", tags="@restore")
EXECUTE = ("features", "--execute", "shop")


@pytest.fixture
def runbook(runbook: Runbook) -> Runbook:
    """A rollback with a gate whose state is a file."""
    settings, gate = runbook.folder / "runbook.toml", runbook.server / "gate"
    text = settings.read_text()
    for name, word in (("pause", "closed"), ("resume", "open")):
        text = text.replace(f'{name} = {{ command = ["true"] }}', f'{name} = {{ command = ["cp", "{word}", "gate"] }}')
        (runbook.server / word).write_text(f"{word}\n")
    settings.write_text(text.replace('["echo", "open"]', '["cat", "gate"]'))
    gate.write_text("open\n")
    return runbook.steps(STEPS).feature("1.feature", SEEN, PAUSED, SWITCH, BACK, CHECKED, SWITCHED, RESTORED)


def printed(text: str) -> list[str]:
    """Return the commands in a text: on their own lines or after the word `type`."""
    words = r"(?:PYTEST_ADDOPTS=(?:'[^']*'|\S*) )?\S*(?:pytest|python) (?:features|-m runbook|-).*"
    command = re.compile(rf"(?:^\s*|type )({words})$")
    return [found[1] for line in text.splitlines() if (found := command.search(line))]


def typed(runbook: Runbook, command: str, environment: dict[str, str] | None = None) -> Ran:
    """Run the command as printed, with that environment. The long command is now a short one."""
    steps = runbook.folder / "steps.py"
    steps.write_text(steps.read_text().replace("sleep 60", "true"))
    first, *words = shlex.split(command)
    if first.startswith("PYTEST_ADDOPTS="):
        environment = (environment or {}) | dict([first.split("=", 1)])
        words = words[1:]
    return runbook.run(*words, environment=environment, allow_unused="--allow-unused" not in command)


def stopped(runbook: Runbook, how: signal.Signals) -> Ran:
    """Return a run that was stopped after the gate was closed."""
    pid = runbook.server / "pid"
    ran = runbook.run(*EXECUTE, meanwhile=after_file(pid, how))
    if how is signal.SIGKILL:
        os.kill(int(pid.read_text()), signal.SIGKILL)
    assert (runbook.server / "gate").read_text() == "closed\n"
    assert ran.folder is not None
    return ran


HOLDS = """
@when("users wait")
def users_wait(context) -> Action:
    return context.gate.hold()


@when("users go on")
def users_go_on(context) -> Action:
    return context.gate.resume()
"""


@pytest.mark.parametrize("kind", [(), ("-m", "emergency")])
def test_after_ctrl_c_while_requests_wait(runbook: Runbook, kind: tuple[str, ...]) -> None:
    """The last lines say how long requests wait until they are refused, and their one command resumes traffic."""
    settings = runbook.folder / "runbook.toml"
    hold = 'hold = { command = ["cp", "held", "gate"] }\nhold_seconds = 20\npause ='
    settings.write_text(settings.read_text().replace("pause =", hold))
    (runbook.server / "held").write_text("held\n")
    tags = "@emergency" if kind else ""
    steps = ("When users wait", "And a long command is run", "And users go on")
    runbook.steps(HOLDS).feature("1.feature", scenario("Held", *steps, tags=tags))
    pid = runbook.server / "pid"
    ran = runbook.run("features", *kind, "--execute", "shop", meanwhile=after_file(pid, signal.SIGINT))
    assert (runbook.server / "gate").read_text() == "held\n"
    waits = "(a request waits for 20 s at most, and is then refused)"
    assert "traffic is held: the gate was held by this incident since" in ran.terminal
    assert waits in " ".join(ran.terminal.split())
    assert waits in ran.page
    (command,) = printed(ran.terminal)
    assert " ".join(kind) in command
    assert is_over(runbook, typed(runbook, command))


def is_over(runbook: Runbook, ran: Ran) -> bool:
    return ran.exit_code == 0 and (runbook.server / "gate").read_text() == "open\n"


def test_after_ctrl_c_behind_the_closed_gate(runbook: Runbook) -> None:
    """The last lines say which incident closed the gate; their one command, also on the page, resumes traffic."""
    ran = stopped(runbook, signal.SIGINT)
    assert "traffic is paused: the gate was closed by this incident since" in ran.terminal
    (command,) = printed(ran.terminal)
    assert " ".join(shlex.split(command)[1:]) in ran.page
    assert is_over(runbook, typed(runbook, command))


def test_another_run_over_it_says_whose_gate_it_is(runbook: Runbook) -> None:
    """After an interrupted rollback a plan or a failed execution names its incident, with the command to resume it."""
    first = stopped(runbook, signal.SIGINT)
    assert first.folder is not None
    for arguments in (("features", "--to", "v9"), (*EXECUTE, "--to", "v9")):
        ran = runbook.run(*arguments)
        assert ran.exit_code == 1
        words = " ".join(ran.terminal.split())
        assert f"the gate was closed by incident {first.folder.name}, which began at 20" in words
        (command,) = printed(ran.terminal)
        assert f"--resume {first.folder.name} --execute shop" in command
    assert is_over(runbook, typed(runbook, command))


def test_after_sigkill(runbook: Runbook) -> None:
    """After SIGKILL a new execution is refused with the command to resume, which is also on the killed run's page."""
    killed = stopped(runbook, signal.SIGKILL)
    assert killed.folder is not None
    said = refusal(runbook.run(*EXECUTE))
    (command,) = printed(said)
    page = render(killed.folder / "journal.jsonl").read_text()
    assert f"--resume {killed.folder.name} --execute shop" in page
    assert is_over(runbook, typed(runbook, command))


def test_lock_whose_journal_is_lost(runbook: Runbook) -> None:
    """If the journal is lost, the printed command removes the lock, and a new rollback can begin."""
    killed = stopped(runbook, signal.SIGKILL)
    assert killed.folder is not None
    shutil.rmtree(killed.folder)
    while killed.folder.name.startswith(f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"):
        time.sleep(0.05)  # an incident that begins in the same second would have the same name
    said = refusal(runbook.run(*EXECUTE))
    assert "its journal is not in" in said
    (command,) = printed(said)
    words = [sys.executable, *shlex.split(command)[1:]]
    environment = runbook.environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=runbook.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert is_over(runbook, typed(runbook, shlex.join(["pytest", *EXECUTE])))


def test_after_a_mistyped_tag(runbook: Runbook) -> None:
    """After a wrong tag the printed plan command, that plan's command, and --resume with a right --to work."""
    ran = runbook.run(*EXECUTE, "--to", "v9")
    assert ran.exit_code == 1
    assert ran.folder is not None
    (command,) = printed(ran.terminal)
    assert "--resume" not in command
    planned = typed(runbook, command)
    assert planned.exit_code == 0, planned.terminal
    resumed = typed(runbook, shlex.join(["pytest", *EXECUTE, "--resume", ran.folder.name, "--to", "v1"]))
    assert is_over(runbook, resumed)
    (carried_out,) = printed(planned.terminal)
    assert is_over(runbook, typed(runbook, carried_out))


def test_other_target_before_anything_was_changed(runbook: Runbook) -> None:
    """An incident that changed nothing can be resumed with another target."""
    runbook.feature("1.feature", SEEN, LOSS, ACCEPTED)
    ran = runbook.run(*EXECUTE, "--to", "v2")
    assert ran.folder is not None
    resumed = runbook.run(*EXECUTE, "--resume", ran.folder.name, "--to", "v1", "--accept-loss", "c3")
    assert resumed.exit_code == 0, resumed.terminal


def test_loss_that_was_not_accepted(runbook: Runbook) -> None:
    """An execution that stopped for a decision continues with the printed command, which has the deciding options."""
    runbook.feature("1.feature", SEEN, LOSS, ACCEPTED, CHECKED)
    ran = runbook.run(*EXECUTE)
    assert ran.exit_code == 1
    (command,) = printed(ran.terminal)
    assert typed(runbook, command).exit_code == 0


def an_incident(runbook: Runbook, kind: str) -> str:
    """Return the name of an incident of that kind. All but `lost` have a record."""
    if kind == "stopped":
        ran = stopped(runbook, signal.SIGINT)
    elif kind == "plan":
        ran = runbook.run("features")
    elif kind == "over":
        (runbook.folder / "steps.py").write_text((runbook.folder / "steps.py").read_text().replace("sleep 60", "true"))
        ran = runbook.run(*EXECUTE)
    else:
        return "20260101T000000Z-shop-rollback"
    assert ran.folder is not None
    return ran.folder.name


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        pytest.param("", ("features", "--execute", "shp"), id="another-project"),
        pytest.param("", (*EXECUTE, "-m", "post_deploy"), id="validation"),
        pytest.param("", ("features", "-m", "post_deploy and not x"), id="part-of-a-validation"),
        pytest.param("", (*EXECUTE, "-k", "Seen"), id="-k"),
        pytest.param("", ("features", "--disable", "exports"), id="switch-without-emergency"),
        pytest.param("", ("features", "--dump", "a.dump"), id="dump-without-restore"),
        pytest.param("", ("features", "-m", "restore"), id="restore-without-dump"),
        pytest.param("", (*EXECUTE, "--to", "v1", "--forward-fix", "v2"), id="back-and-forward"),
        pytest.param("", (*EXECUTE, "--override", "1.1.1"), id="override-without-reason"),
        pytest.param("", (*EXECUTE, "--strategy", "bridge"), id="strategy-without-reason"),
        pytest.param(
            "", (*EXECUTE, "--strategy", "downgrade", "--because", "x"), id="strategy-that-the-verdict-decides"
        ),
        pytest.param(
            "", (*EXECUTE, "--strategy", "bridge", "--because", "x", "--forward-fix", "v2"), id="bridge-and-forward"
        ),
        pytest.param("stopped", ("features", "--resume", "{}"), id="resume-without-execute"),
        pytest.param("stopped", (*EXECUTE, "--resume", "reports/{}"), id="resume-a-path"),
        pytest.param("stopped", (*EXECUTE, "-m", "emergency", "--resume", "{}"), id="resume-as-emergency"),
        pytest.param("stopped", (*EXECUTE, "--resume", "{}", "--to", "v2"), id="resume-elsewhere"),
        pytest.param("plan", (*EXECUTE, "--resume", "{}"), id="resume-a-plan"),
        pytest.param("over", (*EXECUTE, "--resume", "{}"), id="resume-what-is-over"),
        pytest.param("lost", (*EXECUTE, "--resume", "{}"), id="resume-what-is-not-there"),
    ],
)
def test_after_a_refusal(runbook: Runbook, kind: str, arguments: tuple[str, ...]) -> None:
    """The command that a refusal prints is accepted and exits with 0."""
    name = an_incident(runbook, kind) if kind else ""
    said = refusal(runbook.run(*(word.format(name) for word in arguments)))
    (command,) = printed(said)
    ran = typed(runbook, command)
    assert ran.exit_code == 0, f"{command}\n{ran.terminal}"


REVERSING = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    yield
    items.reverse()
"""
IDLE = "def pytest_cmdline_main():\n    return 0\n"


@pytest.fixture
def meddled(runbook: Runbook) -> Runbook:
    """The rollback with a gate, and with two meddling plugins and a Python test."""
    for name, text in (("meddling", REVERSING), ("idle", IDLE), ("test_beside", "def test_x():\n    pass\n")):
        (runbook.folder / f"{name}.py").write_text(text)
    return runbook


@pytest.mark.parametrize("where", ["typed", "environment"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-p", "xdist", "-n", "4"), id="-n"),
        pytest.param(("-p", "xdist", "-n4"), id="-n4"),
        pytest.param(("-p", "xdist", "--tx", "2*popen", "--dist=each"), id="--tx-and-dist"),
        pytest.param(("-p", "randomly", "--randomly-seed=3"), id="randomly"),
        pytest.param(("-p", "rerunfailures", "--reruns=2"), id="--reruns"),
        pytest.param(("--lf", "--ff", "--stepwise"), id="three-flags"),
        pytest.param(("--log-file=log.txt", "--capture=tee-sys"), id="unredacted"),
        pytest.param(("--setup-plan", "--lf"), id="runs-nothing-and-in-another-order"),
        pytest.param(("--co",), id="--co"),
        pytest.param(("-p", "no:html", "-p", "no:harness.html.page"), id="blocked"),
        pytest.param(("-p", "meddling"), id="other-order"),
        pytest.param(("-p", "idle"), id="nothing-run"),
        pytest.param(("-k", "Seen"), id="-k"),
        pytest.param(("--deselect", "features/1.feature::Seen"), id="--deselect"),
        pytest.param(("--override", "9.9.9", "--because", "so"), id="no-such-step"),
        pytest.param(("-o", "log_file=log.txt"), id="log_file"),
    ],
)
def test_after_options_that_may_not_be(meddled: Runbook, options: tuple[str, ...], where: str) -> None:
    """For refused options, typed or from PYTEST_ADDOPTS, one command is printed, and it works."""
    environment = {"PYTEST_ADDOPTS": shlex.join(options)} if where == "environment" else {}
    ran = meddled.run(*EXECUTE, *(options if where == "typed" else ()), environment=environment)
    (command,) = printed(refusal(ran))
    done = typed(meddled, command, environment)
    assert is_over(meddled, done), f"{command}\n{done.terminal}"


def test_after_options_of_the_settings(runbook: Runbook) -> None:
    """The printed command removes only the refused options from `addopts`."""
    settings = runbook.folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace("addopts = [", 'addopts = [\n    "--lf", "-k", "Seen",', 1))
    (command,) = printed(refusal(runbook.run(*EXECUTE)))
    assert "no:xdist" in command
    (command,) = printed(refusal(typed(runbook, command)))
    assert is_over(runbook, typed(runbook, command))


def test_after_log_file_of_the_settings(runbook: Runbook) -> None:
    """The printed command sets `log_file` of pytest's settings to an empty value."""
    settings = runbook.folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace("addopts = [", 'log_file = "log.txt"\naddopts = [', 1))
    (command,) = printed(refusal(runbook.run(*EXECUTE)))
    assert is_over(runbook, typed(runbook, command))


def test_after_a_test_that_was_named(meddled: Runbook) -> None:
    """The printed command leaves out the Python test that was named."""
    (command,) = printed(refusal(meddled.run(*EXECUTE, "test_beside.py")))
    assert is_over(meddled, typed(meddled, command))


def test_after_a_test_among_the_features(runbook: Runbook) -> None:
    """The printed command ignores a Python test in the folder of features."""
    (runbook.folder / "features" / "test_among.py").write_text("def test_x():\n    pass\n")
    (command,) = printed(refusal(runbook.run(*EXECUTE)))
    assert is_over(runbook, typed(runbook, command))


def test_after_an_override_of_what_passed(runbook: Runbook) -> None:
    """The printed command resumes without the override of a passed step."""
    ran = stopped(runbook, signal.SIGINT)
    assert ran.folder is not None
    options = ("--resume", ran.folder.name, "--override", "1.1.1", "--because", "so")
    (command,) = printed(refusal(runbook.run(*EXECUTE, *options)))
    assert "--resume" in command
    assert is_over(runbook, typed(runbook, command))


def test_after_a_definition_that_no_feature_uses(runbook: Runbook) -> None:
    """The printed command allows unused definitions."""
    ran = runbook.run(*EXECUTE, allow_unused=False)
    command = printed("\n".join(ran.lines))[0]
    assert is_over(runbook, typed(runbook, command))


def test_after_nothing_was_selected(runbook: Runbook) -> None:
    """The printed command selects the scenario that was left out."""
    runbook.feature("4.feature", scenario("Off", "Then all is well", tags="@emergency"))
    ran = runbook.run("features/4.feature", "-k", "Off")
    assert ran.exit_code == 5
    (command,) = printed(ran.terminal)
    assert "Off" in typed(runbook, command).scenarios


def test_program_that_is_printed_is_this_one(runbook: Runbook) -> None:
    """The printed path of pytest is correct, relative to the folder of the run."""
    (command,) = printed(runbook.run("features").terminal)
    assert (runbook.folder / shlex.split(command)[0]).resolve() == (Path(sys.prefix) / "bin" / "pytest").resolve()
