"""Plain output without a live view, in a pipe and in CI: one line per step, with UTC times."""

import re
import subprocess
import sys
import time

import pytest

from runbook.journal.verify import verify
from tests.harness.inner import DEADLINE, Runbook, scenario

EXECUTE = ("features", "--execute", "shop")
GOOD = scenario("Good", "Given something to begin with", "Then all is well")
CHANGING = scenario("Changing", "Given something to begin with", "When a file is made", "Then all is well")
SENDING = scenario("Sending", "When a message is sent")
BAD = scenario("Bad", "Then all is not well")
STEP = re.compile(r"^\d\d:\d\d:\d\dZ   (.) (.{8})(Given|When |Then ) (.+?) +\d+\.\d s$")


def steps(lines: list[str]) -> list[tuple[str, ...]]:
    """Return sign, mark, keyword and text of each step's line."""
    return [tuple(part.strip() for part in found.groups()) for line in lines if (found := STEP.match(line))]


def test_each_step_is_one_line_with_utc(runbook: Runbook) -> None:
    """In a pipe each step is one line with UTC time, outcome, and a sign if it changed production."""
    ran = runbook.feature("1.feature", CHANGING, SENDING, BAD).run(*EXECUTE, environment={"TZ": "UTC-9"})
    assert steps(ran.lines) == [
        ("", "ok", "Given", "something to begin with"),
        ("▲", "CHANGED", "When", "a file is made"),
        ("", "ok", "Then", "all is well"),
        ("", "sent", "When", "a message is sent"),
        ("", "FAILED", "Then", "all is not well"),
    ]
    hours = {line[:2] for line in ran.lines if STEP.match(line)}
    assert hours & {time.strftime("%H", time.gmtime(time.time() - before)) for before in (0, 60)}
    assert "\x1b" not in ran.terminal
    assert "all is well indeed" not in ran.terminal


def test_plan_shows_facts_and_commands(runbook: Runbook) -> None:
    """With -v a plan shows under each step what it saw, would do or would check; with -vv also the commands."""
    feature = scenario("Plan", "Then all is well", "When a file is made", "Then all is well")
    ran = runbook.feature("1.feature", feature).run("features", "-v")
    assert [mark for sign, mark, *_ in steps(ran.lines) if sign == "▲"] == ["plan"]
    told = [line.strip() for line in ran.lines if line.startswith(" " * 14)]
    assert told == ["all is well indeed", "would do: a file is made", "would check: all well"]
    assert "touch made" in [line.strip() for line in runbook.run("features", "-vv").lines]


def test_change_that_was_so_already_is_told(runbook: Runbook) -> None:
    """An action that finds nothing to do is shown as "already so", not as a change."""
    with (runbook.folder / "steps.py").open("a") as file:
        file.write(
            '\n\n@when("it was so")\ndef was_so(context) -> Action:\n'
            '    change = Action(ActionName.BRING_UP, "it is so", (), lambda: "it is")\n'
            "    return change\n"
        )
    ran = runbook.feature("1.feature", scenario("Was so", "When it was so")).run(*EXECUTE)
    assert steps(ran.lines) == [("", "ok", "When", "it was so (already so)")]


def test_quiet_run_says_what_matters(runbook: Runbook) -> None:
    """With -q only changes, failed steps with their scenario, and the last lines are printed."""
    ran = runbook.feature("1.feature", GOOD, CHANGING, BAD).run(*EXECUTE, "-q")
    assert ran.exit_code == 1
    assert [(mark, text) for _, mark, _, text in steps(ran.lines)] == [
        ("CHANGED", "a file is made"),
        ("FAILED", "all is not well"),
    ]
    assert "  Good" not in ran.lines
    assert "  Bad" in ran.lines
    assert "FAILED: 1 change was made to production" in ran.lines
    assert ran.lines[-1].endswith("record.html")


def test_verbose_run_says_what_was_seen_and_run(runbook: Runbook) -> None:
    """With -v each step is followed by what it saw, with -vv also by its commands, with -vvv also by their output."""
    with (runbook.folder / "steps.py").open("a") as file:
        file.write(
            '\n\n@then("it is looked at")\ndef looked_at(context):\n'
            '    command = Command(("sh", "-c", "echo seen by a command"), 10)\n'
            "    context.host.check(command)\n    context.host.check(command)\n"
            '    context.incident.record_fact("schema", ["twice"])\n'
        )
    runbook.feature("1.feature", GOOD, scenario("Look", "Then it is looked at"))
    seen = runbook.run(*EXECUTE, "-v")
    assert "all is well indeed" in seen.terminal
    assert "$ sh -c" not in seen.terminal
    verbose = runbook.run(*EXECUTE, "-vv")
    assert re.search(r"\$ sh -c 'echo seen by a command'  \(exit 0, \d\.\d s, 2 times\)", verbose.terminal)
    assert "  seen by a command" not in verbose.terminal
    assert "  seen by a command" in runbook.run(*EXECUTE, "-vvv").terminal


@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [
        pytest.param((), {}, False, id="pipe"),
        pytest.param((), {"FORCE_COLOR": "1"}, True, id="FORCE_COLOR"),
        pytest.param(("--color=yes",), {}, True, id="color-yes"),
        pytest.param((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="NO_COLOR-counts-more"),
        pytest.param(("--color=yes",), {"NO_COLOR": "1"}, True, id="option-counts-more"),
        pytest.param(("--no-color",), {"FORCE_COLOR": "1"}, False, id="no-color-counts-more"),
        pytest.param(("--color=no",), {"FORCE_COLOR": "1"}, False, id="color-no-counts-more"),
        pytest.param((), {"FORCE_COLOR": "1", "CI": "true"}, True, id="FORCE_COLOR-in-CI"),
        pytest.param(("--color=yes",), {"CI": "true"}, True, id="color-yes-in-CI"),
    ],
)
def test_colour_is_as_asked_for(
    runbook: Runbook, arguments: tuple[str, ...], environment: dict[str, str], *, coloured: bool
) -> None:
    """Colours follow --color, --no-color, NO_COLOR and FORCE_COLOR; in a pipe nothing is drawn over in any case."""
    ran = runbook.feature("1.feature", CHANGING).run(*EXECUTE, *arguments, environment=environment)
    assert ("\x1b[" in ran.terminal) is coloured
    assert "\x1b[?25" not in ran.terminal
    assert "\r" not in ran.terminal


def test_lines_come_when_they_happen(runbook: Runbook) -> None:
    """A step's line appears in a pipe when the step ends, not only at the end of the run."""
    runbook.feature("1.feature", scenario("Long", "Given something to begin with", "When a long command is run"))
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "--allow-unused", *EXECUTE],
        cwd=runbook.folder,
        env=runbook.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        seen = ""
        while "something to begin with" not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        assert process.poll() is None
        process.terminate()
        process.communicate(timeout=DEADLINE)


def test_pipe_that_is_closed_stops_nothing(runbook: Runbook) -> None:
    """With `| head -1` the run still continues to its end and closes its record."""
    runbook.feature("1.feature", CHANGING)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "--allow-unused", *EXECUTE],
        cwd=runbook.folder,
        env=runbook.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(DEADLINE)
    found = verify(runbook.records[-1] / "journal.jsonl")
    assert found.whole, found.problem
    assert found.entries[-1]["outcome"] == "passed"
    assert (runbook.server / "made").exists()


def test_availability_is_on_record_and_in_the_end(runbook: Runbook) -> None:
    """Probes are journaled between `opened` and `closed`, and the last lines sum them up."""
    ran = runbook.feature("1.feature", GOOD).run(*EXECUTE)
    probes = ran.entries("availability")
    assert probes
    assert {status for entry in probes for status in entry["statuses"]} == {0}
    assert ran.entries("opened")[0]["seq"] < probes[0]["seq"]
    assert probes[-1]["seq"] < ran.entries("closed")[0]["seq"]
    assert re.search(
        r"the public address answered 0 of \d+ probes well; it is DOWN now; users were without service", ran.terminal
    )


def test_nothing_is_probed_where_nothing_is_run(runbook: Runbook) -> None:
    """With --collect-only or an interval of 0 nothing is probed; with the project down, the run is refused."""
    runbook.feature("1.feature", GOOD)
    assert "public address" not in runbook.run("features", "--collect-only").terminal
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace("[traffic]", "[traffic]\nprobe_interval = 0"))
    ran = runbook.run(*EXECUTE)
    assert ran.exit_code == 0
    assert ran.entries("availability") == []
    assert "public address" not in ran.terminal
    (runbook.folder / "down").touch()
    assert runbook.run(*EXECUTE).exit_code == 4
