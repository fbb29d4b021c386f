"""The header of an execution on a terminal: releases, strategy, step and time. Everything else is quiet."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.terminal.live_state import Standing
from tests.harness.inner import CANARY, DEADLINE, Runbook, scenario
from tests.harness.terminal import Terminal, forked, on_terminal, screen_after

EXECUTE = ("features", "--execute", "shop")
STEPS = """
@given("production is looked at")
def looked_at(context):
    time.sleep(1.2)  # the terminal is drawn anew a few times a second
    context.incident.record_fact("origin", {"tags": ["v2-" + CANARY + "\\x1b[2J"], "digests": {}, "log_errors": {}})
    context.incident.record_fact("target", {"tag": "v1", "images": {}, "digests": {}})
    context.incident.record_fact("strategy", "image-only")


@then("it is well in a moment")
def well_in_a_moment(context):
    began = time.monotonic()
    look = lambda: Observation(ok=time.monotonic() - began > 1.5, seen="waiting")
    return Check("all well", look, "look by hand", deadline=20, interval=0.1)
"""
LOOK = scenario("Look", "Given production is looked at", tags="@provides:seen")
DOWN = scenario("Down", "When a message is sent", "Then all is well", tags="@strategy:downgrade @needs:seen")
UP = scenario("Up", "When a file is made", "Then it is well in a moment", tags="@strategy:image-only @needs:seen")


@pytest.fixture
def steps(runbook: Runbook) -> Runbook:
    return runbook.steps(STEPS).feature("1.feature", LOOK, DOWN, UP)


def test_parts_are_told_as_they_become_known() -> None:
    """Unknown parts are left out of the header, and the step never exceeds the number of steps."""
    began = Standing(project="shop", steps=9, step=1, began=100.0)
    assert began.parts(161.0) == ["shop", "step 1 of 9", "1:01"]
    known = Standing("shop", "v2", "v1", "image-only", step=10, steps=9, began=0.0, expected=95.0)
    assert known.parts(5.0) == ["shop", "v2 → v1", "image-only", "step 9 of 9", "0:05 of about 1:35"]


def test_header_stands_while_it_runs(steps: Runbook) -> None:
    """The header shows both releases, the strategy and its steps; secrets and escape sequences do not get through."""
    with on_terminal(steps, *EXECUTE) as terminal:
        terminal.until("step 3 of 3")
        assert terminal.finish() == 0
    assert re.search(
        r"shop · v2-\[secret METRICS_TOKEN\]\\u001b\[2J → v1 · image-only · step 3 of 3 · 0:0\d", terminal.text
    )
    assert "step 1 of 5" in terminal.text, "before the strategy is known, every scenario counts"
    assert CANARY not in terminal.written
    assert "\x1b[2J" not in terminal.written


def test_terminal_shows_the_same_of_a_run_that_is_started(steps: Runbook) -> None:
    """A started run writes the same to the terminal as the forked runs of the other tests, which are quicker."""

    def start(meanwhile: Callable[[int], None], terminal: str) -> int:
        argv = [sys.executable, "-m", "pytest", "--allow-unused", *EXECUTE]
        with Path(terminal).open("r+b", buffering=0) as tty:
            process = subprocess.Popen(
                argv, cwd=steps.folder, env=steps.environment | {"TERM": "xterm-256color"}, stdin=tty, stdout=tty,
                stderr=tty, start_new_session=True,
            )  # fmt: skip
        meanwhile(process.pid)
        return process.wait(DEADLINE)

    with forked(start, 100) as started:
        assert started.finish() == 0
    with on_terminal(steps, *EXECUTE) as terminal:
        assert terminal.finish() == 0
    assert shapes(started) == shapes(terminal)


def shapes(terminal: Terminal) -> tuple[list[str], set[str]]:
    """Return the final lines of a terminal, with all numbers replaced by 0, and the kinds of escapes sent to it."""
    left = [re.sub("[0-9]+", "0", line) for line in screen_after(terminal.written)]
    return left, set(re.findall(r"\x1b\[[^a-zA-Z]*([a-zA-Z])", terminal.written))


def test_everything_else_is_quiet(steps: Runbook) -> None:
    """Changes have a line; passed checks and scenarios of other strategies have none. With -v all steps have one."""
    with on_terminal(steps, *EXECUTE) as terminal:
        assert terminal.finish() == 0
    left = screen_after(terminal.written)
    assert sum("▲ CHANGED When  a file is made" in line for line in left) == 1
    for quiet in ("production is looked at", "it is well in a moment", "left out", "1 passed", "step "):
        assert not [line for line in left if quiet in line], quiet
    with on_terminal(steps, *EXECUTE, "-v") as verbose:
        assert verbose.finish() == 0
    assert "ok      Given production is looked at" in verbose.text
    assert not re.search(r"step 1 of 5 · \d:\d\d of about", terminal.text)
    assert re.search(r"step 1 of 5 · \d:\d\d of about \d:\d\d", verbose.text), "the first run is known by now"


@pytest.mark.parametrize("columns", [60, 80])
def test_header_fits(steps: Runbook, columns: int) -> None:
    """No drawn line is longer than the terminal is wide; the header takes as many lines as it needs."""
    with on_terminal(steps, *EXECUTE, columns=columns) as terminal:
        assert terminal.finish() == 0
    drawn = [line for line in terminal.text.replace("\r", "\n").splitlines() if "·" in line or "step" in line]
    assert drawn
    assert max(map(len, drawn)) <= columns


def test_failure_is_told_where_it_happens(steps: Runbook) -> None:
    """A failed step always has a line."""
    steps.feature("1.feature", LOOK, scenario("Bad", "Then all is not well", tags="@needs:seen"))
    with on_terminal(steps, *EXECUTE) as terminal:
        assert terminal.finish() == 1
    assert "FAILED  Then  all is not well" in terminal.text
    assert "FAILURES" not in terminal.text


def test_pipe_gets_no_escape_and_every_step(steps: Runbook) -> None:
    """In a pipe each step is one line, without a header and without escape sequences."""
    for more in ({}, {"CI": "true"}, {"NO_COLOR": "1"}):
        ran = steps.run(*EXECUTE, environment=more)
        assert ran.exit_code == 0
        assert "\x1b" not in ran.terminal
        assert "step 3 of 3" not in ran.terminal
        assert "ok      Given production is looked at" in ran.terminal


def test_plan_on_a_terminal_is_one_screen(steps: Runbook) -> None:
    """Only the plan stays on the terminal when the live view is erased; with NO_COLOR it has no colours."""
    with on_terminal(steps, "features", columns=80) as terminal:
        assert terminal.finish() == 0
    left = [line for line in screen_after(terminal.written) if line]
    assert left[0].startswith("shop on prod-1 · plan of a rollback")
    assert max(map(len, left[:-3])) <= 80
    assert "\x1b[" in terminal.written.rpartition("plan of a rollback")[2]
    with on_terminal(steps, "features", columns=80, environment={"NO_COLOR": "1"}) as plain:
        assert plain.finish() == 0
    assert not re.search(r"\x1b\[[0-9;]*m", plain.written.replace("\x1b[0m", ""))
