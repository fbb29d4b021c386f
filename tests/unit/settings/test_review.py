"""The settings of the review: links with known placeholders, and a valid due time."""

import pytest
from pydantic import ValidationError

from runbook.settings.review import PLACES, ReviewSettings


def test_every_place_may_be_named() -> None:
    """A link may contain all placeholders; a doubled brace is a literal brace."""
    url = "https://x.example/?" + "&".join(f"{name}={{{name}}}" for name in PLACES) + "&json={{1}}"
    assert ReviewSettings.model_validate({"links": [{"name": "x", "url": url}]}).links[0].url == url


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"links": [{"name": "x", "url": "https://x.example/{frm}"}]}, "in braces, saw 'frm'"),
        ({"links": [{"name": "x", "url": "https://x.example/{from!r}"}]}, "in braces"),
        ({"links": [{"name": "x", "url": "https://x.example/{from.year}"}]}, "in braces"),
        ({"links": [{"name": "x", "url": "https://x.example/{"}]}, "in braces"),
        ({"links": [{"name": "x", "url": "javascript:alert(1)"}]}, "pattern"),
        ({"due_after": "soon"}, "pattern"),
        ({"owner": " "}, "at least 1 character"),
    ],
)
def test_what_cannot_be_meant(given: dict[str, object], words: str) -> None:
    """An invalid value is refused when the settings are read, not when the page is made."""
    with pytest.raises(ValidationError, match=words):
        ReviewSettings.model_validate(given)
