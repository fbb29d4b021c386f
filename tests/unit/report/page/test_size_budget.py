"""How much of each output the page shows: all that is usual, less in a record that would not open at once."""

from typing import Any

import pytest

from runbook.report.page.size_budget import LARGEST_PAGE, MOST_OUTPUT, allowances
from runbook.report.timeline import Step


def step(kept: str = "", *, outcome: str = "passed", changes: bool = False, commands: int = 1) -> Step:
    streams: dict[str, Any] = {
        "stdout": {"bytes": len(kept), "kept": kept},
        "stderr": {"bytes": 0, "kept": ""},
    }
    command = {"kind": "command", "exit_code": 0, "seconds": 0.1, "directory": None, "stdin_bytes": None}
    details = [command | streams | {"command": f"docker ps {number}"} for number in range(commands)]
    change = {"kind": "action", "state": "done", "summary": "x", "scope": "production"}
    return Step("Then", "it is so", "f:1", "", outcome=outcome, details=[*details, *([change] if changes else [])])


def test_usual_record_shows_everything() -> None:
    """Some hundred steps with a few kilobytes each are shown whole."""
    steps = [step("x" * 4096) for _ in range(300)]
    found = allowances(steps)
    assert not found.shortened
    assert found.of(steps[0]).output == MOST_OUTPUT


def test_what_stopped_or_changed_comes_first() -> None:
    """When room is short, ordinary outputs get shorter before those of what stopped it, or changed production."""
    ordinary, stopped, changed = step("x" * MOST_OUTPUT), step(outcome="failed"), step(changes=True)
    found = allowances([*[ordinary] * 200, stopped, changed])
    assert found.shortened
    assert found.of(ordinary).output < MOST_OUTPUT
    assert found.of(stopped).output == found.of(changed).output == MOST_OUTPUT


@pytest.mark.parametrize(
    "kept", ["x" * 1000, "<&\"'>" * 200, "\x00" * 1000, ""], ids=["plain", "markup", "nul", "none"]
)
@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_page_stays_small_whatever_is_in_it(kept: str, outcome: str) -> None:
    """Ten thousand steps fit, passed or failed, whatever their outputs become when they are escaped."""
    found = allowances([step(kept, outcome=outcome, commands=3)] * 10_000)
    assert found.shortened
    assert not found.of(step(outcome="passed")).details or not kept
    rows = 10_000 * 400
    assert rows < LARGEST_PAGE
