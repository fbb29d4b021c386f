"""Patterns of the settings: invalid ones are refused, and a search has a time limit."""

import re
import time

import pytest

from runbook import patterns


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<tag", "[a"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    """An invalid regular expression is refused."""
    with pytest.raises(ValueError, match="is not a regular expression"):
        patterns.checked(pattern)


def test_search_that_never_ends_is_stopped() -> None:
    """A search with endless backtracking is stopped; Python's own `re` would not end."""
    began = time.process_time()
    with pytest.raises(TimeoutError):
        patterns.search(re.compile("(v|vv)+(?<!v)$"), "v" * 60, 0.2)
    with pytest.raises(TimeoutError):
        patterns.fits(re.compile("(v|vv)+(?<!v)"), "v" * 60, 0.2)
    assert time.process_time() - began < 5


def test_search_finds_what_pythons_own_finds() -> None:
    """Patterns match as Python's regular expressions do, as the settings are documented."""
    pattern = re.compile(r"(?i)release (?P<tag>\S+)(?: at (?P<time>\S+))?")
    found = patterns.search(pattern, "Release v1", 1)
    assert found is not None
    assert found.groupdict() == {"tag": "v1", "time": None}
    assert not patterns.fits(re.compile(r"(?!latest$|sha256-).+"), "latest", 1)
