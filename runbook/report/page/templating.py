"""The template environments for HTML and Markdown: every value is escaped, and invisible characters are shown."""

import json
import shlex
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from runbook import markdown
from runbook.actions import message_told
from runbook.journal.output_files import is_output
from runbook.text import visible

TEMPLATES = Path(__file__).with_name("templates")
STYLE = TEMPLATES / "record.css"
SCRIPT = TEMPLATES / "record.js"


class Compiled(FileSystemBytecodeCache):
    """A cache of compiled templates, in the folder of Python's compiled modules."""

    def __init__(self, folder: Path = Path(__file__).parent / "__pycache__") -> None:
        # Compiled templates depend on this file too.
        super().__init__(str(folder), f"%s.{Path(__file__).stat().st_mtime_ns}.jinjac")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write a compiled template to the cache. If that fails, the template is compiled again next time."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


@cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """Return the environment for HTML templates from `folder`, then from here.

    It escapes every value, and shows invisible characters.
    """
    found = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        bytecode_cache=Compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"clock": clock, "duration": duration, "offset": _offset, "axis": _axis}
    found.filters |= {"as_json": _json, "shell": lambda text: shlex.quote(str(text)), "message": message_told}
    found.tests["output"] = is_output
    return found


@cache
def markdown_environment() -> Environment:
    """Return the environment for the Markdown template.

    A value becomes a line of plain text, or code with the filters `code` and `block`.
    """
    found = Environment(  # noqa: S701 - not HTML: `finalize` escapes it for Markdown
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=Compiled(),
        undefined=StrictUndefined,
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"clock": clock, "duration": duration, "code": _code, "block": _block}
    return found


class _Code(str):
    """Markdown code, which is not escaped again."""

    __slots__ = ()


def _escaped(value: object) -> object:
    return markdown.escaped(value) if isinstance(value, str) and not isinstance(value, _Code) else value


def _code(value: object) -> str:
    return _Code(markdown.code(str(value)))


def _block(value: object) -> str:
    text = visible(str(value))
    fence = markdown.fence(text, 3)
    return _Code(f"{fence}\n{text}\n{fence}")


def _finalize(value: object) -> object:
    # Markup (the style, a macro's HTML) is ours, or was processed here before.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def clock(time: str) -> str:
    """Return `2026-01-31T23:59:59.123456Z` as `2026-01-31 23:59:59`."""
    return time[:19].replace("T", " ")


def duration(seconds: float) -> str:
    """Return seconds as `4.2 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _offset(seconds: float) -> str:
    """Return the seconds since the beginning, as `+75.3`."""
    return f"+{seconds:.1f}"


def _json(value: object) -> str:
    """Return `value` as JSON text, which is then escaped like any other text."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _axis(seconds: float) -> str:
    """Return a round number of seconds, as short as possible."""
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"
