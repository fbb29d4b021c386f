"""The settings of the review: who follows up by when, and links."""

import string
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from runbook.settings.secret_source import Section
from runbook.settings.words import HttpUrl, Word

#: The placeholders of a URL: the incident's time range (ISO 8601 UTC, seconds or milliseconds), its name, the project.
PLACES = ("from", "to", "from_s", "to_s", "from_ms", "to_ms", "incident", "project")


def _known_places(url: str) -> str:
    try:
        parts = list(string.Formatter().parse(url))
    except ValueError:
        parts = [("", "{", "", None)]
    # A placeholder with a format or a conversion is unknown too.
    named = [f"{name}{form}{how or ''}" for _, name, form, how in parts if name is not None]
    if unknown := [name for name in named if name not in PLACES]:
        raise ValueError(f"expected only {', '.join(f'{{{each}}}' for each in PLACES)} in braces, saw {unknown[0]!r}")
    return url


class Link(Section):
    """A URL for the review: graphs, a chat. Placeholders such as `{from_ms}` are filled in."""

    name: Word
    url: Annotated[HttpUrl, AfterValidator(_known_places)]


class ReviewSettings(Section):
    """The review of an incident: the owner of the follow-ups, when they are due after its end, and the links."""

    owner: Word | None = None
    due_after: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}[hd]$")] | None = None
    links: tuple[Link, ...] = ()
