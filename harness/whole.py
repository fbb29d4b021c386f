"""An execution and a validation are one whole each: what was left out of one."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import pytest

from harness.chapters import Scenario
from harness.collecting import asked_for_by
from harness.options import Run
from runbook.incident.incident import Mode


def left_out(run: Run, scenarios: Iterable[Scenario], selected: Sequence[pytest.Item]) -> list[str]:
    """Say, in one line, which scenarios of what was asked for are not among those selected; only for the whole of it.

    An execution and a validation are one whole each; a plan may be one of a part.
    """
    if run.mode is not Mode.EXECUTE and run.kind != "validation":
        return []
    mark = run.mark
    wanted = Counter({each.name: each.runs for each in scenarios if _belongs({tag.name for tag in each.tags}, mark)})
    there = Counter(str(getattr(item, "originalname", item.name)) for item in selected)
    missing = list(dict.fromkeys((wanted - there).elements()))
    if not missing or not wanted:
        return []
    what = "a validation is" if run.kind == "validation" else "--execute carries out"
    names = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return [f"{names} would be left out, and {what} one whole → {run.again}"]


def _belongs(tags: Collection[str], mark: str) -> bool:
    return mark in tags if mark else asked_for_by(tags) is None
