"""The env file's own bytes: which names may stand in it, and the ways in which one value in it can be replaced.

Nothing here decides what the file means. Compose does, and is asked: `runbook/production/env_file.py`.
"""

import re
from collections.abc import Iterator

_NAME = re.compile(r"(?<![\w.\-\[\]])([\w.\-\[\]]+)[^\S\n]*(?=[=:\n]|\Z)")
# A quoted value ends at its closing quote, with or without regard to backslashes, or is none; what follows it stays.
_VALUES = (
    r"(?P<quote>[\"'])(?:\\.|(?!(?P=quote))[^\\])*(?P=quote)",
    r"(?P<quote>[\"'])(?:(?!(?P=quote)).)*(?P=quote)",
    r"(?P<quote>)[^\n]*?(?=[^\S\n]+\#[^\n]*(?:\n|\Z)|[^\S\n]*(?:\n|\Z))",
    r"(?P<quote>)[^\r\n]*",
)
_MOST_PLACES = 20


def names_in(content: bytes) -> tuple[str, ...]:
    """Every word that Compose could take for a name: each name that the file sets, and others that it does not set."""
    return tuple(dict.fromkeys(_NAME.findall(_decode(content))))


def rewritings(content: bytes, key: str, value: str) -> Iterator[bytes]:
    """Yield the ways to give `key` the value `value` by changing one place of the file, the likeliest first.

    Each leaves every byte outside of that value as it is. At most one of them is right.
    """
    text = _decode(content)
    found = re.finditer(rf"(?<![\w.\-\[\]]){re.escape(key)}[^\S\n]*[=:][^\S\n]*", text)
    # The last assignment counts; what stands in a comment or in another value is tried last.
    places = sorted(found, key=lambda place: (_begins_line(text, place.start()), place.start()), reverse=True)
    seen = set()
    for place in places[:_MOST_PLACES]:
        for pattern in _VALUES:
            old = re.compile(pattern, re.DOTALL).match(text, place.end())
            if old is None:
                continue
            quote = old["quote"]
            new = f"{text[: old.start()]}{quote}{value}{quote}{text[old.end() :]}"
            if new not in seen:
                seen.add(new)
                yield new.encode("utf-8", errors="surrogateescape")


def _begins_line(text: str, at: int) -> bool:
    before = text[text.rfind("\n", 0, at) + 1 : at].lstrip("\ufeff")
    return before.removeprefix("export").strip() == ""


def _decode(content: bytes) -> str:
    return content.decode("utf-8", errors="surrogateescape")
