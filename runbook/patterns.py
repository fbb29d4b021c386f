"""Search with the settings' regular expressions in untrusted text, with a deadline against endless backtracking.

Python's `re` cannot be interrupted, and blocks all other threads while it searches.
"""

import re
from functools import lru_cache

import regex


@lru_cache(maxsize=64)
def _with_deadline(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)


def checked(pattern: str) -> str:
    """Return `pattern` when it is a regular expression. Raises ValueError otherwise."""
    try:
        re.compile(pattern)
        _with_deadline(pattern)
    except (re.error, regex.error) as error:
        raise ValueError(f"{pattern!r} is not a regular expression ({error})") from None
    return pattern


def search(pattern: re.Pattern[str], text: str, seconds: float) -> regex.Match[str] | None:
    """Return the first match of `pattern` in `text`. Raises TimeoutError after about `seconds`."""
    return _with_deadline(pattern.pattern).search(text, timeout=seconds, concurrent=True)


def fits(pattern: re.Pattern[str], text: str, seconds: float) -> bool:
    """Tell whether `pattern` matches the whole of `text`. Raises TimeoutError after about `seconds`."""
    return _with_deadline(pattern.pattern).fullmatch(text, timeout=seconds, concurrent=True) is not None
