"""The detection of error lines, in the forms that languages, frameworks and servers write."""

import re
from collections.abc import Iterator

from runbook.production.logs.levels import level_of, without_escape_codes

_LONGEST = 8192  # characters of a line that are searched
_NAMES = "error|err|eror|fatal|critical|crit|alert|emerg|emergency|panic|severe"

# Error words that mean no error: a log level setting, a path, a count of zero, an empty field.
_NO_ALARM = re.compile(
    r"""(?i: \blog(?:ging)?[ _.-]?level\b\W*(?:(?:is|set|to|at|now|changed)\W+){0,3}\w+ )
        | (?<!\w)/[^\s"']*
        | (?<![\d.:])(?i: \b(?:0|no|zero|without)[ ](?:error|fatal|critical|panic)\b )(?=\s*(?:[,.;)]|found\b|$))
        | (?i: \b(?:errors?|err|fatal|critical|panics?|fail(?:ed|ures?)?)["']?\s*[=:]\s*
            (?:0|no|none|null|nil|false|<nil>|\[\s*\]|\{\s*\}|""|'')(?=\s*(?:[,;)\]}|-]|$|\w+[=:])) )""",
    re.VERBOSE,
)
_ERROR = re.compile(
    rf"""(?<!\w)(?:ERROR|CRITICAL|FATAL|PANIC|EROR|ERR|FTL|PNC)(?!\w)
        | ^(?:SEVERE|ALERT|EMERG|EMERGENCY|CRIT)(?!\w)
        | ^(?:ERRO|FATA|PANI)\[\d+\]                                    # logrus on a terminal
        | ^[EF]\d{{4}}[ ]\d\d:\d\d:\d\d                                 # glog, klog
        | (?<![\w=])\[(?:\w+:)?(?i:{_NAMES})\s*\]                       # nginx, Apache, structlog, Elixir
        | ^(?i:{_NAMES}|fail|failure)[ ]*[:|](?:\s|$)                   # winston, .NET, git
        | \|[ ]*(?i:{_NAMES})[ ]*\| | [ ]-[ ](?i:{_NAMES})[ ]-[ ]
        | ^npm[ ]error[ ] | ^\*\*[ ]\(\w\S*\)[ ]                        # Elixir's exceptions
        | \bpanicked[ ]at\b | (?:^|\s)panic:\s | \bpanic[ ]serving\b    # Rust, Go
        | (?<!non-)\b(?i:fatal[ ](?:\w+[ ])?error)\b | \bPHP[ ][\w ]{{0,20}}(?i:error):
        | \bException[ ]in[ ]thread[ ]" | ^(?i:segmentation[ ]fault)\b | ^terminate[ ]called[ ]after[ ]throwing
        | \b(?i:un(?:handled|caught)[ ]?(?:promise[ ]?)?(?:\w+[ ])?(?:error|exception|rejection))
        | \b(?i:uncaught)[ ]\S*(?:Error|Exception)\b
        | ^(?:\W[ ])?(?:[\w$]+(?:\.|::|\\))*[\w$]*(?:Error|Exception)(?:[ ]\[\w+\])?(?::\s|$)   # by its class's name
        | \((?:\w+(?:::|\.))*\w*(?:Error|Exception)\)$                  # Ruby
    """,
    re.VERBOSE,
)
_ERROR_FIELD = re.compile(r"(?:^|\s)(?:err|error)=\S")
# A line that calls itself harmless. The words of _ERROR still count in it.
_MILD = re.compile(
    r"(?<!\w)(?:TRACE|DEBUG|DBG|INFO|INF|NOTICE|WARN|WARNING|WRN)(?!\w)|^\W*(?i:trace|debug|info|notice|warn(?:ing)?)\b"
    r"|[Ww]arning:"
)
_STAMP = re.compile(r"^[\[(]?\d[\d:.,TZ/+-]*+(?:[ ]\d[\d:.,Z+-]*+)?(?:[ ](?:UTC|[AP]M|[+-]\d{4}))?[\])]?[\s|-]+(?=\S)")
_SYSLOG = re.compile(r"<(\d{1,3})>")

_TRACEBACK = re.compile(r"(?:^|\s)(?:Exception Group )?Traceback \(most recent call last\):\s*$")
_GROUP = re.compile(r"^\s+[|+] ?(?!-)")
_OF_A_GROUP = re.compile(r"^\s+\+(?:-\+)?-+ (?:\d+|\.\.\.) -+\s*$")
_RAISED = re.compile(r"(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)\b)[^\W\d][\w.<>]*(?::\s|:?$)")
_FRAME = re.compile(r"\s+at \S")
_NOT_THROWN = re.compile(r"Caused by|Suppressed:|\.\.\. |\S*Thread\.State|\"")


class LinesOfOne:
    """The lines of one container, in order. Whether a line is an error may depend on earlier ones."""

    def __init__(self) -> None:
        self._last_awaited: int | None = None  # the indent of an open traceback's head
        self._before: str | None = None  # the previous line, unless it was an error or a frame

    @property
    def awaits(self) -> bool:
        """Whether a traceback has begun and its last line has not come."""
        return self._last_awaited is not None

    @property
    def indent(self) -> int | None:
        """The indent of that traceback's head; None without one."""
        return self._last_awaited

    def passed_over(self, line: str | None) -> None:
        """Note a line that neither is an error nor begins or ends a traceback; None for one that is an error."""
        if line is None:
            self._before = None
        elif parts := without_escape_codes(line).splitlines():
            self._before = parts[-1]

    def errors_in(self, line: str) -> Iterator[str]:
        """Yield the errors that `line` completes: the line itself, or the previous one if this is a stack frame."""
        for part in without_escape_codes(line).splitlines():
            before, self._before = self._before, None
            if raised := self._raised(part):
                yield raised
            elif is_error(part):
                yield part
            elif not _FRAME.match(part):
                self._before = part
            elif before and _is_thrown(before):
                yield before

    def _raised(self, line: str) -> str | None:
        # The last line of a traceback, whatever the name of the exception's class.
        if _OF_A_GROUP.match(line):
            self._last_awaited = 0
            return None
        text = _GROUP.sub("", line[:_LONGEST]).rstrip()
        said = text.lstrip()
        if _TRACEBACK.search(said):
            self._last_awaited = len(text) - len(said)
        elif self._last_awaited is not None and len(text) - len(said) <= self._last_awaited and _RAISED.match(said):
            self._last_awaited = None
            return said
        return None


def is_error(line: str) -> bool:
    """Return whether a line (without escape codes) is an error, regardless of other lines.

    >>> is_error("ERROR: disk full"), is_error("0 errors found")
    (True, False)
    """
    level = level_of(line)
    if level is not None:
        return level
    said = _NO_ALARM.sub(" ", line[:_LONGEST]).rstrip()
    if (priority := _SYSLOG.match(said)) and int(priority[1]) % 8 <= 3:
        return True
    if any(_ERROR.search(text) for text in (said, _STAMP.sub("", said))):
        return True
    return _ERROR_FIELD.search(said) is not None and not _MILD.search(said)


def has_frame(line: str) -> bool:
    """Return whether a line has a stack frame of Java, Node or .NET. Its meaning depends on the previous line.

    >>> has_frame("  at handler (app.js:3:1)")
    True
    """
    return any(_FRAME.match(part) for part in without_escape_codes(line).splitlines())


def _is_thrown(line: str) -> bool:
    # The line before stack frames of Java, Node and .NET names what was thrown.
    said = line.strip()
    return bool(said) and not _MILD.search(said) and not _NOT_THROWN.match(said)
