"""What steers a terminal (colours, titles, links) taken out of text in which words are looked for."""

import re

_STEERING = re.compile(
    r"""\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)          # OSC, DCS and their like, with what they hold
        | (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]                 # CSI: colours among them
        | \x1b[ -/]*[0-~]
        | (?:\\{1,8}(?:u001b|x1b|033|e)|\#033|\^\[)\[[0-?]*[ -/]*[@-~]     # as JSON, syslog and editors write them
        | \ufffd?\[\d{1,3}(?:;\d{1,3})*m                   # a colour whose escape character somebody took out
        | [\x00-\x08\x0e-\x1b\x7f]""",
    re.VERBOSE | re.IGNORECASE,
)
_SIGNS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\x9b]|\\(?:u001b|x1b|033|e)\[|#033\[|\^\[\[|\[\d{1,3}[;m]", re.IGNORECASE)


def without_steering(text: str) -> str:
    """Return `text` as a terminal would show it, but for positions: without colours, titles and links' addresses."""
    return _STEERING.sub("", text) if _SIGNS.search(text) else text
