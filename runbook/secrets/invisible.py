"""Invisible characters and line breaks in a text that can hide a secret from the search."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from runbook.text import COLOUR

#: Characters that are not displayed, except white space.
HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# Terminal escape codes, raw and escaped in strings.
_STEERING = re.compile(
    rf"(?:\x1b|\\{{1,8}}(?:u001b|x1b|033|e))\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]|{HIDDEN.pattern}",
    re.IGNORECASE,
)
_STEERING_IN_STRINGS = re.compile(r"\\(?:u001b|x1b|033|e)\[", re.IGNORECASE)
_UNSEEN = (re.compile(f"{COLOUR.pattern}|{HIDDEN.pattern}"), _STEERING)
# A line break within base64 (from coreutils or openssl), optionally with a log's line prefix.
_BREAK = re.compile(r"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)[ \t]{0,64}(?:[\w.-]{1,64} {0,64}\| ?)?(?=[A-Za-z0-9+/_=-])")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{16}")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class View:
    """A text without some of its characters, with a map of positions back to the whole text."""

    def __init__(self, whole: str, left_out: list[tuple[int, int]]) -> None:
        ends = [0, *(end for _, end in left_out)]
        starts = [*(start for start, _ in left_out), len(whole)]
        kept = [whole[end:start] for end, start in zip(ends, starts, strict=True)]
        self.text = "".join(kept)
        self._places = ends
        self._offsets = [0, *accumulate(map(len, kept))]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the start and end in the whole text of a part of the view's text."""
        return self._place(start), self._place(end - 1) + 1

    def _place(self, offset: int) -> int:
        piece = bisect_right(self._offsets, offset, hi=len(self._places)) - 1
        return self._places[piece] + offset - self._offsets[piece]


def views(text: str) -> Iterator[View]:
    """Yield `text` unchanged, and then without invisible characters, escape codes, or breaks in base64."""
    yield View(text, [])
    seen = {text}
    for spans in (*_unseen(text), _breaks(text)):
        if spans and (view := View(text, spans)).text not in seen:
            seen.add(view.text)
            yield view


def _unseen(text: str) -> Iterator[list[tuple[int, int]]]:
    # These two searches are fast; the others are slow and rarely needed.
    if HIDDEN.search(text) or _STEERING_IN_STRINGS.search(text):
        for unseen in _UNSEEN:
            yield [found.span() for found in unseen.finditer(text)]


def _breaks(text: str) -> list[tuple[int, int]]:
    if "\n" not in text and "\\" not in text:
        return []
    return [
        found.span()
        for found in _BREAK.finditer(text)
        if found.start() >= 16 and _ENCODED.match(text, found.start() - 16, found.start())
    ]


def without_split_pairs(text: str) -> str:
    """Return `text` with surrogate pairs joined to one character, as the next encoder would do."""
    if text.isascii() or not _PAIR.search(text):
        return text
    return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="surrogatepass")
