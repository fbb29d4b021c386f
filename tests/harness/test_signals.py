"""Signals that stop a run: its record is closed and gives the state of production."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.inner import Runbook, scenario

LONG = scenario("Long", "When a long command is run", "Then all is well")
LATER = scenario("Later", "When a file is made")


def after_file(path: Path, *signals: signal.Signals) -> Callable[[int], None]:
    """Return a function that sends the signals as soon as the file has content."""

    def meanwhile(process: int) -> None:
        until = time.monotonic() + 30
        while not (path.exists() and path.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process, signals[0])
        for number in signals[1:]:
            time.sleep(0.05)
            with suppress(ProcessLookupError):  # it may have ended by then
                os.kill(process, number)

    return meanwhile


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGTERM], id="sigterm"),
        pytest.param([signal.SIGHUP], id="connection-lost"),
        pytest.param([signal.SIGINT], id="ctrl-c"),
        pytest.param([signal.SIGINT, signal.SIGINT, signal.SIGTERM], id="impatient"),
    ],
)
def test_stopped_run_closes_its_record(runbook: Runbook, signals: list[signal.Signals]) -> None:
    """A run stopped in the middle of a change stops the command, closes journal and page, and exits 2."""
    pid = runbook.server / "pid"
    runbook.feature("1.feature", LONG, LATER)
    ran = runbook.run("features", "--execute", "shop", meanwhile=after_file(pid, *signals))
    assert ran.exit_code == 2, ran.terminal
    assert ran.ending == "interrupted"
    assert ran.entries("step ended")[-1]["outcome"] == "interrupted"
    assert ran.entries("command")[-1] is not None
    assert [entry["stopped"] for entry in ran.entries("command") if "stopped" in entry] == ["interrupted"]
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    assert not (runbook.server / "made").exists()
    assert "Interrupted at: When a long command is run" in ran.page
    assert ran.folder is not None
    assert ran.lines[-1] == str(ran.folder / "record.html")
    assert ran.entries("closed")[0]["changes_made"] == ["a long command is run"]
    assert [entry["name"] for entry in ran.entries("fact")] == ["after"]


def test_killed_run_leaves_a_journal_that_says_so(runbook: Runbook) -> None:
    """A killed run leaves a journal up to the command that had begun, and no page."""
    pid = runbook.server / "pid"

    def when_the_command_is_on_record(process: int) -> None:
        until = time.monotonic() + 30
        while not any('"command began"' in each.read_text() for each in runbook.folder.glob("reports/*/journal.jsonl")):
            assert time.monotonic() < until
            time.sleep(0.02)
        os.kill(process, signal.SIGKILL)

    runbook.feature("1.feature", LONG)
    ran = runbook.run("features", "--execute", "shop", meanwhile=when_the_command_is_on_record)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert ran.exit_code == -signal.SIGKILL
    assert ran.folder is not None
    entries = map(json.loads, (ran.folder / "journal.jsonl").read_text().splitlines())
    # Probes and looks in other threads also write entries.
    told = [(each["kind"], each.get("state")) for each in entries if each["kind"] in ("action", "command began")]
    assert told[-2:] == [("action", "begun"), ("command began", None)]
    assert not (ran.folder / "record.html").exists()


def test_step_that_never_ends_is_ended(runbook: Runbook) -> None:
    """A step that hangs outside of any command fails at deadlines.step, and the run continues to its end."""
    steps = runbook.folder / "steps.py"
    steps.write_text(steps.read_text() + '\n\n@then("this takes for ever")\ndef for_ever():\n    time.sleep(60)\n')
    settings = runbook.folder / "runbook.toml"
    short = "\n".join(f"{name} = 1" for name in ("command", "pull", "dump", "migrate", "up", "public", "step"))
    settings.write_text(settings.read_text() + f"\n{short}\nhealthy = 1\nstable = 0.5\n")
    ran = runbook.feature("1.feature", scenario("Hangs", "Then this takes for ever")).run(
        "features", "--execute", "shop"
    )
    assert ran.exit_code == 1
    assert ran.scenarios == {"Hangs": "failed"}
    assert "the step did not end within 1 s" in ran.terminal
    assert "raise deadlines.step" in ran.page
