"""Text for people: numbers with their nouns, and untrusted text without characters that hide, reorder or move text."""

import re

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Control characters except tab and line feed; zero-width characters, and those that change the writing direction;
# surrogates, which cannot be encoded.
_RANGES = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x061C, 0x061C), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB),
)  # fmt: skip
_NUMBERS = {number: f"\\u{number:04x}" for first, last in _RANGES for number in range(first, last + 1)}
_CONCEALED = re.compile(f"[{''.join(map(chr, _NUMBERS))}]")


def counted(number: int, noun: str, several: str = "") -> str:
    """Return `number` with its noun; `several` is the plural if it is not `noun` with an s.

    >>> counted(1, "row"), counted(2400, "row"), counted(0, "entry", "entries")
    ('1 row', '2400 rows', '0 entries')
    """
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def times(number: int) -> str:
    """Return how often something happened.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return "once" if number == 1 else f"{number} times"


def visible(text: str) -> str:
    r"""Return `text` with unsafe characters as `\uXXXX`, without colors, with plain line ends.

    >>> visible("a\x07b\r\n")
    'a\\u0007b\n'
    """
    plain = COLOUR.sub("", text.replace("\r\n", "\n"))
    # Output may consist of such characters only: replace them all in one call.
    return plain.translate(_NUMBERS) if _CONCEALED.search(plain) else plain


def beginning(text: str, length: int) -> str:
    """Return the beginning of `text` on one line, cut at white space, because half a secret is not recognized.

    >>> beginning("one two three", 9)
    'one two …'
    """
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length + 1].rpartition(' ')[0]} …"


# In characters.
_LONGEST = 200


def one_line(text: object) -> str:
    """Return `text` on one line of at most 200 characters, made safe by `visible`."""
    line = " ".join(visible(str(text)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
