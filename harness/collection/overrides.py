"""The steps that `--override` accepts, and their ids."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.compat import FeatureFile
from harness.hosts.scenarios import host_of
from harness.options import Run
from harness.session.retyped import Typed


def step_id(feature: str, scenario: int, step: int, host: str = "") -> str:
    """Return a step's id: `5.3.2` is chapter 5 (the number its file's name begins with), scenario 3, step 2.

    On one of several hosts it is `5.3.2@shop-1`.
    """
    stem = Path(feature).stem
    number = re.match(r"[0-9]+", stem)
    return f"{number.group() if number else stem}.{scenario}.{step}{f'@{host}' if host else ''}"


def refuse_overrides(run: Run, selected: Iterable[pytest.Item], typed: Typed) -> None:
    """Raise UsageError for an id without a selected step, or whose step neither failed nor was inconclusive before."""
    there = {
        step_id(item.path.name, item.parent.position_of(item), number + 1, host_of(item))
        for item in selected
        if isinstance(item.parent, FeatureFile)
        for number in range(item.parent.steps_of(item))
    }
    for given in run.options.override:
        if given not in there:
            raise pytest.UsageError(
                f"--override {given}: no step of this run has that id → use the id in the line of the step that"
                f" stopped the run; to see that line again, type {typed.without_value('--override', given)}"
            )
        if run.earlier is not None and not run.earlier.may_be_overridden(given):
            raise pytest.UsageError(
                f"--override {given}: that step did not fail and was not inconclusive in {run.incident}"
                f" → only such a step can be overridden: type {typed.without_value('--override', given)}"
            )
