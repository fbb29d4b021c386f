"""The incident record: one HTML page, made from the journal alone."""

import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from runbook.errors import JournalError
from runbook.incident.edition import edition
from runbook.incident.story import Story
from runbook.incident.verifying import Verified, verify
from runbook.incident.visible import visible

_TEMPLATES = Path(__file__).with_name("templates")
STYLE = _TEMPLATES / "record.css"


def body(journal: Path) -> str:
    """The record's HTML, to be put into a page that has its style already.

    Raises JournalError when the journal cannot be read.
    """
    return _environment().get_template("body.html.jinja").render(_context(journal))


def page(journal: Path) -> str:
    """The record as a whole page of its own, for a run that could not write it. Raises JournalError as `body` does."""
    context = _context(journal) | {"style": STYLE.read_text(encoding="utf-8")}
    return _environment().get_template("page.html.jinja").render(context)


def render(journal: Path) -> Path:
    """Write `record.html` beside `journal`, in one step, and return its path. Raises JournalError when it cannot."""
    target = journal.with_name("record.html")
    try:
        draft = target.with_suffix(".new")
        draft.write_text(page(journal), encoding="utf-8")
        os.replace(draft, target)  # noqa: PTH105 - Path.replace returns a path that nobody wants here
    except OSError as error:
        raise JournalError(f"{target} cannot be written ({error.strerror})", "make room, then render again") from None
    return target


def _context(journal: Path) -> dict[str, object]:
    verified: Verified = verify(journal)
    story = Story(verified.entries)
    return {
        "story": story,
        "verified": verified,
        "edition": edition(),
        "journal": journal.name,
        # By its own name, so that the page stays the same when its folder is moved.
        "folder": story.opened.get("incident", journal.parent.name),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = _clock
    environment.filters["duration"] = _duration
    return environment


def _finalize(value: object) -> object:
    # What is Markup already (the style, a macro's HTML) is ours, or went through here before.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _clock(time: str) -> str:
    """`2026-01-31T23:59:59.123456Z` as `2026-01-31 23:59:59`."""
    return time[:19].replace("T", " ")


def _duration(seconds: float) -> str:
    """Seconds in words that a person says."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
