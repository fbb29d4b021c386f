"""Figures in words, as pages and terminals say them."""

import pytest

from runbook.report.page.templating import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.2 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (7199, "119 min 59 s"),
        (7200, "2 h 0 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """Seconds, minutes, and hours for an incident that was gone on with the next day."""
    assert duration(seconds) == words
