"""What speaks against a readiness answer."""

import json
from typing import Any

import pytest

from runbook.errors import Inconclusive
from runbook.health import not_ready
from runbook.probes import Answer

REQUIRED = ("database", "jobs", "migrations_current")
BEHIND = ("ready", "migrations_current")
GOOD = {"ready": True, "database": True, "jobs": True, "migrations_current": True}


def answer(status: int, said: Any) -> Answer:
    body = said if isinstance(said, str) else json.dumps(said)
    return Answer("http://api/readyz", status, {}, body, 0.01)


@pytest.mark.parametrize(
    ("status", "said", "against"),
    [
        pytest.param(200, GOOD, None, id="all true"),
        pytest.param(200, GOOD | {"schema_revision": "r1", "lag": 0}, None, id="more than parts"),
        pytest.param(503, GOOD, "HTTP 503", id="status"),
        pytest.param(200, GOOD | {"jobs": False}, "jobs", id="false"),
        pytest.param(200, GOOD | {"cache": False}, "cache", id="false, and not required"),
        pytest.param(200, GOOD | {"jobs": None}, "jobs (is None)", id="null is not known"),
        pytest.param(200, GOOD | {"jobs": "yes"}, "jobs (is 'yes')", id="a word is not known"),
        pytest.param(200, {"database": True, "jobs": True}, "migrations_current (is None)", id="missing"),
        pytest.param(200, [GOOD], "where a JSON object was expected", id="list"),
    ],
)
def test_ready_means_every_part(status: int, said: Any, against: str | None) -> None:
    """Status 200, every required part true, and nothing false; what is missing or null is not good."""
    found = not_ready(answer(status, said), REQUIRED)
    assert (found is None) if against is None else (found is not None and against in found)


@pytest.mark.parametrize(
    ("status", "said", "against"),
    [
        pytest.param(503, GOOD | {"ready": False, "migrations_current": False}, None, id="behind"),
        pytest.param(200, GOOD, None, id="not behind"),
        pytest.param(503, GOOD | {"ready": False, "jobs": False}, "jobs", id="jobs"),
        pytest.param(500, GOOD, "HTTP 500", id="error"),
        pytest.param(503, {"ready": False, "migrations_current": False}, "database (is None)", id="parts missing"),
    ],
)
def test_behind_the_schema_only_that_may_be_false(status: int, said: Any, against: str | None) -> None:
    """Where the schema may be newer, `ready` and `migrations_current` may be false, and no other part may (trap 4)."""
    found = not_ready(answer(status, said), REQUIRED, BEHIND)
    assert (found is None) if against is None else (found is not None and against in found)


def test_answer_that_is_no_json_is_inconclusive() -> None:
    """A page of the gateway, say, tells nothing about the api."""
    with pytest.raises(Inconclusive, match="not JSON"):
        not_ready(answer(200, "<html>"), REQUIRED)
