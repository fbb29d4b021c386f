"""What a tool complains about: the line that says so, which is often not the last one that it prints.

psql draws a caret under the statement, docker and click advise to run --help, and SQLAlchemy names a page to read.
"""

import re

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# A severity with a colon, after the names of the programs that pass it on: `psql: error: …: FATAL:  role …`.
_ERROR = re.compile(
    r"(?:[^\s:]+:(?:[^\s:]*:)*\s+)*"
    r"(?:(?:ERROR|FATAL|PANIC|FAILED|[Ee]rror|[Ff]atal(?: error)?)\b[^:]{0,60}:|[Ee]rror response from daemon\b)"
)
_TRACEBACK = "Traceback (most recent call last):"
# What explains, points or advises, and stands behind the complaint.
_ASIDE = re.compile(
    r"[\^~\s]+$|LINE \d+:|(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|NOTE):|(?:Run|See|Try) ['\"`]"
    r"|[Uu]sage:|For more (?:help|information)|\(Background on this error|\[SQL: |\[parameters: |Is the server running"
    r"|time=\S+ level=(?:info|warning) |[Ww]arning:|WARNING"
)


def complaint(output: str) -> str:
    """The line of `output` that says what went wrong, else the last that is no aside; empty when it says nothing."""
    lines = [line.rstrip() for line in _COLOUR.sub("", output).splitlines()]
    spoken = [line.strip() for line in lines if line.strip()]
    said = max(_last_error(lines), _exception(lines))
    if said >= 0:
        return lines[said].strip()
    return next((line for line in reversed(spoken) if not _ASIDE.match(line)), spoken[-1] if spoken else "")


def _last_error(lines: list[str]) -> int:
    return max((at for at, line in enumerate(lines) if _ERROR.match(line.strip())), default=-1)


def _exception(lines: list[str]) -> int:
    """Where the exception of the last traceback stands: the first line behind its frames; -1 without one."""
    begun = max((at for at, line in enumerate(lines) if line.strip().endswith(_TRACEBACK)), default=-1)
    if begun < 0:
        return -1
    return next((at for at in range(begun + 1, len(lines)) if lines[at] and not lines[at][0].isspace()), -1)
