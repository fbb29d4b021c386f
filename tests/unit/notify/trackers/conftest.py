"""Fixtures for the tests of all trackers."""

import pytest


@pytest.fixture
def long_text() -> str:
    """A text of many lines that is longer than any tracker's limit."""
    return "\n".join(["It failed.", "", *["- a table"] * 150_000])
