"""An execution and a validation are one whole each: what was left out of one."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pytest

from harness.collection.feature_model import Scenario
from harness.collection.order import asked_for_by
from harness.options import Run
from harness.session.retyped import Typed
from runbook.incident.executor import Mode

#: The scenarios of what was asked for that were not selected, by name.
LEFT_OUT = pytest.StashKey[list[str]]()
#: The options that leave scenarios out, besides `-m`.
SELECTING = ("-k", "--deselect", "--ignore", "--ignore-glob")


def left_out(run: Run, scenarios: Iterable[Scenario], selected: Sequence[pytest.Item]) -> list[str]:
    """The scenarios of what was asked for that are not among those selected, by name."""
    wanted = Counter(
        {each.name: each.runs for each in scenarios if _belongs({tag.name for tag in each.tags}, run.mark)}
    )
    there = Counter(str(getattr(item, "originalname", item.name)) for item in selected)
    return list(dict.fromkeys((wanted - there).elements()))


def refusal(run: Run, missing: Sequence[str], typed: Typed) -> list[str]:
    """Say, in one line, that what is left out may not be: of an execution, or a validation. A plan may be of a part."""
    if not missing or (run.mode is not Mode.EXECUTE and run.kind != "validation"):
        return []
    what = "a validation is" if run.kind == "validation" else "--execute carries out"
    names = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return [f"{names} would be left out, and {what} one whole → type {whole(run, typed)}"]


def whole(run: Run, typed: Typed) -> Typed:
    """What to type for all that this run is a part of: a validation and an emergency are chosen by their marks."""
    of_a_mark = run.kind not in ("plan", "rollback")
    options = SELECTING if of_a_mark else (*SELECTING, "-m")
    return typed.without(*options).saying(replace(run, mark=run.mark if of_a_mark else "").again)


def _belongs(tags: Collection[str], mark: str) -> bool:
    return mark in tags if mark else asked_for_by(tags) is None
