"""The pick list in words."""

from datetime import UTC, datetime, timedelta

import pytest

from runbook.chapters.choosing.pick_list import members, told
from runbook.targets.candidate import Candidate
from runbook.targets.ranking import Ranked


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(days=3, hours=1), " 3 d ago"),
        (timedelta(hours=5), " 5 h ago"),
        (timedelta(minutes=-2), " 0 min ago"),
        (timedelta(days=-400), ", dated in the future, check the clocks"),
        (None, ", age unknown"),
    ],
)
def test_age_is_told(ago: timedelta | None, words: str) -> None:
    """The list shows each release's age, and reports a build time in the future as such."""
    time = datetime.now(UTC) - ago if ago is not None else None
    line = told(members([Ranked((Candidate("v1", {}, "CI has it", time=time),))], [], None))[1]
    assert line.startswith(f"  1. v1, built{words}")
