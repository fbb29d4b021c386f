"""The check that an execution or a validation runs all of its scenarios."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pytest

from harness.collection.feature_model import Scenario
from harness.collection.order import asked_for_by
from harness.options import Run
from harness.session.retyped import Typed
from runbook.incident.executor import Mode

#: The names of the requested scenarios that were not selected.
LEFT_OUT = pytest.StashKey[list[str]]()
#: The options that leave scenarios out, besides `-m`.
SELECTING = ("-k", "--deselect", "--ignore", "--ignore-glob")


def left_out(run: Run, scenarios: Iterable[Scenario], selected: Sequence[pytest.Item]) -> list[str]:
    """Return the names of the requested scenarios that are not selected."""
    wanted = Counter(
        {each.name: each.runs for each in scenarios if _belongs({tag.name for tag in each.tags}, run.mark)}
    )
    there = Counter(str(getattr(item, "originalname", item.name)) for item in selected)
    return list(dict.fromkeys((wanted - there).elements()))


def refusal(run: Run, missing: Sequence[str], typed: Typed) -> list[str]:
    """Return one line that refuses to leave out `missing`, for an execution or a validation. A plan may be partial."""
    if not missing or (run.mode is not Mode.EXECUTE and run.kind != "validation"):
        return []
    what = "a validation" if run.kind == "validation" else "--execute"
    names = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return [f"{names} would be left out; {what} runs all its scenarios → type {whole(run, typed)}"]


def whole(run: Run, typed: Typed) -> Typed:
    """Return the command for the whole run. Validations and emergencies keep the mark that chose them."""
    of_a_mark = run.kind not in ("plan", "rollback")
    options = SELECTING if of_a_mark else (*SELECTING, "-m")
    return typed.without(*options).saying(replace(run, mark=run.mark if of_a_mark else "").again)


def _belongs(tags: Collection[str], mark: str) -> bool:
    return mark in tags if mark else asked_for_by(tags) is None
