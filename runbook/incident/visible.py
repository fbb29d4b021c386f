"""How text that others wrote is shown: nothing in it hides, reorders, or moves anything on a page or a terminal."""

import re

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Control characters but tab and line feed; marks that have no width, or turn the direction of writing.
_CONCEALED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def visible(text: str) -> str:
    """Return `text` with such characters as their numbers, without a terminal's colours, with plain line ends."""
    plain = COLOUR.sub("", text.replace("\r\n", "\n"))
    return _CONCEALED.sub(lambda found: f"\\u{ord(found.group()):04x}", plain)
