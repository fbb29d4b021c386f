"""What the tests of all trackers share."""

import pytest


@pytest.fixture
def long_text() -> str:
    """A text that no tracker takes whole, in lines."""
    return "\n".join(["It failed.", "", *["- a table"] * 150_000])
