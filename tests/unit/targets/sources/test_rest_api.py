"""Rate limits of a CI service's API, from its response headers."""

import pytest

from runbook.hosts.http import HttpResponse
from runbook.targets.sources.rest_api import _limited

THEIRS = "Thu, 31 Dec 2099 23:59:00 GMT"
NEXT_CENTURY = "4102444800"  # a minute later


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        pytest.param(200, {"retry-after": "5"}, None, id="no limit"),
        pytest.param(403, {}, None, id="refused"),
        pytest.param(429, {"retry-after": " 5 "}, 5.0, id="seconds"),
        pytest.param(503, {"retry-after": "5"}, 5.0, id="maintenance"),
        pytest.param(429, {"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT", "date": THEIRS}, 60.0, id="date"),
        pytest.param(429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": THEIRS}, 0.0, id="date in the past"),
        pytest.param(429, {"retry-after": "-5"}, 60.0, id="no number"),
        pytest.param(429, {"x-ratelimit-reset": NEXT_CENTURY, "date": THEIRS}, 61.0, id="reset"),
        pytest.param(429, {"ratelimit-reset": "1", "date": THEIRS}, 1.0, id="reset in the past"),
        pytest.param(403, {"x-ratelimit-reset": NEXT_CENTURY, "x-ratelimit-remaining": "7"}, None, id="not spent"),
        pytest.param(429, {"x-ratelimit-reset": "1e9"}, 1.0, id="reset no number"),
    ],
)
def test_limit_lasts_as_long_as_the_server_says(status: int, headers: dict[str, str], seconds: float | None) -> None:
    """Times are compared with the server's own clock, because the local one may be wrong."""
    assert _limited(HttpResponse("https://ci.example/", status, headers, "", 0.0)) == seconds
