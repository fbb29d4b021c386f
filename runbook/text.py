"""How text that others wrote is shown: nothing in it hides, reorders, or moves anything on a page or a terminal."""

import re

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Control characters but tab and line feed; marks that have no width, or turn the direction of writing.
_RANGES = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x061C, 0x061C), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB),
)  # fmt: skip
_NUMBERS = {number: f"\\u{number:04x}" for first, last in _RANGES for number in range(first, last + 1)}
_CONCEALED = re.compile(f"[{''.join(map(chr, _NUMBERS))}]")


def visible(text: str) -> str:
    """Return `text` with such characters as their numbers, without a terminal's colours, with plain line ends."""
    plain = COLOUR.sub("", text.replace("\r\n", "\n"))
    # Output may be nothing but such characters: one call for all of them, and none where there is none.
    return plain.translate(_NUMBERS) if _CONCEALED.search(plain) else plain


def beginning(text: str, length: int) -> str:
    """The beginning of `text`, on one line, cut at white space: half of a secret is not recognised any more."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length + 1].rpartition(' ')[0]} …"


#: More characters than this of one thing are not shown in a line.
_LONGEST = 200


def one_line(text: object) -> str:
    """`text` as it can be shown within a line: nothing in it conceals or moves anything, and it has an end."""
    line = " ".join(visible(str(text)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
