"""The level that a structured log line (JSON, logfmt) states, in words or numbers; and the removal of escape codes."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_ESCAPE_CODES = re.compile(
    r"""\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)          # OSC, DCS and their like, with what they hold
        | (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]                 # CSI: colours among them
        | \x1b[ -/]*[0-~]
        | (?:\\{1,8}(?:u001b|x1b|033|e)|\#033|\^\[)\[[0-?]*[ -/]*[@-~]     # as JSON, syslog and editors write them
        | \ufffd?\[\d{1,3}(?:;\d{1,3})*m                   # a colour whose escape character somebody took out
        | [\x00-\x08\x0e-\x1b\x7f]""",
    re.VERBOSE | re.IGNORECASE,
)
_SIGNS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\x9b]|\\(?:u001b|x1b|033|e)\[|#033\[|\^\[\[|\[\d{1,3}[;m]", re.IGNORECASE)
_LONGEST = 256 * 1024  # characters; a longer line is not parsed
_DEEPEST = 3  # levels of nested objects that are searched

_ERRORS = frozenset(
    {
        "error", "err", "eror", "erro", "e", "fatal", "ftl", "f", "panic", "pnc", "p", "dpanic", "critical", "crit",
        "c", "alert", "emergency", "emerg", "severe", "failure", "fail",
    }
)  # fmt: skip
_OTHERS = frozenset(
    {
        "trace", "trc", "t", "debug", "dbg", "d", "verbose", "vrb", "v", "information", "informational", "info", "inf",
        "i", "notice", "n", "warning", "warn", "wrn", "w", "default", "log", "config", "fine", "finer", "finest", "ok",
        "success",
    }
)  # fmt: skip
# Keys without dots, dashes, underscores, and the @ of Serilog and hclog.
_KEYS = frozenset(
    {
        "level", "lvl", "l", "loglevel", "levelname", "levelno", "levelvalue", "severity", "sev", "severitytext",
        "severitynumber", "priority", "prio",
    }
)  # fmt: skip
_FAILURES = ("error", "err", "exception", "exc_info", "stack_trace")  # signs of an error if there is no level
_NOTHING = frozenset({"", "0", "none", "null", "nil", "<nil>", "no", "false"})
_IN_LOGFMT = re.compile(r'(?:^|\s)(?:log[._]?)?(?:level|lvl|severity|sev|levelname|at)="?([A-Za-z]+)"?(?=\s|$)')
_IS_LOGFMT = re.compile(r"[\w.@-]+=")
_IN_TORN_JSON = re.compile(r'"(?:[\w@]*\.)?(?:level|severity|levelname|lvl)"\s*:\s*"([A-Za-z]+)"')
_NO_TEXT = re.compile(r"[\W\dTZ_]*(?:std(?:out|err) [FP] )?")  # a time, for example


def without_escape_codes(text: str) -> str:
    """Return `text` without terminal control sequences: colors, titles, and the addresses of links."""
    return _ESCAPE_CODES.sub("", text) if _SIGNS.search(text) else text


def level_of(line: str) -> bool | None:
    """Return whether a line is an error by its own level; None when it has none.

    >>> level_of('{"level": "error", "msg": "x"}'), level_of("level=info msg=x"), level_of("hello")
    (True, False, None)
    """
    brace = line.find("{")
    if brace >= 0:
        found = _parsed(line[brace:])
        if found is None:
            torn = _IN_TORN_JSON.search(line)
            level = _of_word(torn[1]) if torn else None
        else:
            level = _of_object(found)
        if _NO_TEXT.fullmatch(line, 0, brace):
            return True if level is None and found and _tells_of_a_failure(found) else level
        if level:  # otherwise the text before the JSON may be an error
            return True
    written = _IN_LOGFMT.search(line)
    level = _of_word(written[1]) if written else None
    return level if level or _IS_LOGFMT.match(line) else None


def _parsed(text: str) -> dict[str, Any] | None:
    if len(text) > _LONGEST or not text.rstrip().endswith("}"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_object(found: Mapping[str, Any]) -> bool | None:
    for each in _objects(found):
        for name, value in each.items():
            key = re.sub(r"[@._-]", "", name).lower()
            if key in _KEYS and (level := _of_value(key, value, each)) is not None:
                return level
    if {"s", "c", "msg"} <= set(found):  # MongoDB
        return found["s"] in ("E", "F")
    return None


def _tells_of_a_failure(found: Mapping[str, Any]) -> bool:
    if str(found.get("status")).lower() in _ERRORS:  # Datadog
        return True
    return any(found.get(name) and str(found[name]).lower() not in _NOTHING for name in _FAILURES)


def _objects(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    here = [found]
    for _ in range(_DEEPEST):
        yield from here
        here = [value for each in here for value in each.values() if isinstance(value, dict)]


def _of_value(key: str, value: Any, beside: Mapping[str, Any]) -> bool | None:
    if isinstance(value, str):
        word = without_escape_codes(value).strip()
        return _of_number(key, int(word), beside) if re.fullmatch("[0-9]{1,6}", word) else _of_word(word)
    return _of_number(key, value, beside) if type(value) is int else None


def _of_word(word: str) -> bool | None:
    plain = re.sub(r"[+\s].*", "", word.strip().lower())  # Go's slog writes ERROR+2
    if plain in _ERRORS:
        return True
    return False if plain in _OTHERS else None


def _of_number(key: str, number: int, beside: Mapping[str, Any]) -> bool | None:
    if key == "severitynumber":  # OpenTelemetry
        return number >= 17
    if number < 10:  # syslog: GELF, journald
        return number <= 3 if key in ("priority", "prio", "severity") or "short_message" in beside else None
    if number < 100:  # Python; pino and bunyan, whose 40 is a warning
        pino = "v" in beside or "hostname" in beside or isinstance(beside.get("time"), int | float)
        return number >= 50 or (number == 40 and not pino)
    return number >= (400 if number < 1000 else 40000)  # Monolog; Logback
