"""The part of the settings that a review reads: who follows up by when, and where else to look."""

import string
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from runbook.settings.secret_source import Section
from runbook.settings.words import HttpUrl, Word

#: What an address may have filled in: the incident's time range (ISO 8601 UTC, seconds or milliseconds), its name.
PLACES = ("from", "to", "from_s", "to_s", "from_ms", "to_ms", "incident", "project")


def _known_places(url: str) -> str:
    try:
        parts = list(string.Formatter().parse(url))
    except ValueError:
        parts = [("", "{", "", None)]
    # With a form or a conversion behind it, it is none of them either.
    named = [f"{name}{form}{how or ''}" for _, name, form, how in parts if name is not None]
    if unknown := [name for name in named if name not in PLACES]:
        raise ValueError(f"expected only {', '.join(f'{{{each}}}' for each in PLACES)} in braces, saw {unknown[0]!r}")
    return url


class Link(Section):
    """An address for the review: graphs, a chat. `{from_ms}` and the like are filled in."""

    name: Word
    url: Annotated[HttpUrl, AfterValidator(_known_places)]


class ReviewSettings(Section):
    """Who owns the follow-ups of an incident, how long after its end they are due, and the links."""

    owner: Word | None = None
    due_after: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}[hd]$")] | None = None
    links: tuple[Link, ...] = ()
