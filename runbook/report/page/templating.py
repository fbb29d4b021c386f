"""The template environments of pages and of Markdown: every value is escaped, and nothing in it hides."""

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
    """Templates as they were compiled before, beside Python's own compiled modules, and kept where those are."""

    def __init__(self, folder: Path = Path(__file__).parent / "__pycache__") -> None:
        # What is compiled depends on this file too.
        super().__init__(str(folder), f"%s.{Path(__file__).stat().st_mtime_ns}.jinjac")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template; where that is not possible it is compiled again."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


@cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """The environment of HTML templates in `folder`, or else here: it escapes all, and shows what would conceal."""
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
    """The environment of the Markdown template: a value is a line of plain text, or code by a filter."""
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
    """Markdown's code: nothing in it is Markdown, or is escaped again."""

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
    # Markup (the style, a macro's HTML) is ours, or went through here before.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def clock(time: str) -> str:
    """`2026-01-31T23:59:59.123456Z` as `2026-01-31 23:59:59`."""
    return time[:19].replace("T", " ")


def duration(seconds: float) -> str:
    """Seconds in words that a person says."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _offset(seconds: float) -> str:
    """The seconds since the beginning, as `+75.3`."""
    return f"+{seconds:.1f}"


def _json(value: object) -> str:
    """As JSON, which is escaped like any other text."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _axis(seconds: float) -> str:
    """A round number of seconds, as short as can be."""
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"
