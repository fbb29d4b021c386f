"""Patterns of the settings: what is one, and that a search ends."""

import re
import time

import pytest

from runbook import patterns


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<tag", "[a"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    """The message names it."""
    with pytest.raises(ValueError, match="is not a regular expression"):
        patterns.checked(pattern)


def test_search_that_never_ends_is_stopped() -> None:
    """Python's own `re` would be at it for centuries."""
    began = time.process_time()
    with pytest.raises(TimeoutError):
        patterns.search(re.compile("(v|vv)+(?<!v)$"), "v" * 60, 0.2)
    with pytest.raises(TimeoutError):
        patterns.fits(re.compile("(v|vv)+(?<!v)"), "v" * 60, 0.2)
    assert time.process_time() - began < 5


def test_search_finds_what_pythons_own_finds() -> None:
    """The settings are documented as Python's regular expressions."""
    pattern = re.compile(r"(?i)release (?P<tag>\S+)(?: at (?P<time>\S+))?")
    found = patterns.search(pattern, "Release v1", 1)
    assert found is not None
    assert found.groupdict() == {"tag": "v1", "time": None}
    assert not patterns.fits(re.compile(r"(?!latest$|sha256-).+"), "latest", 1)
