"""The first facts of a review, from the journal only. Nothing is guessed."""

from typing import Any

import pytest

from runbook.incident.production_facts import Snapshot
from runbook.journal.journal import Entry
from runbook.report.follow_up.review import Review, cause, review
from tests.support.telling import snapshot

LINK = {"name": "Graphs", "url": "https://graphs.example/d/{project}?from={from_ms}&to={to_s}&at={from}"}
SETTINGS = {"owner": "team-shop", "due_after": "2d", "links": [LINK]}


def entry(kind: str, minute: int, **facts: Any) -> Entry:
    return {"kind": kind, "time": f"2025-12-18T03:{minute:02}:00.000000Z", **facts}


def container(name: str = "shop-api-1", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": name, "name": name, "service": "api", "image_id": "i", "image_name": "n", "state": "running",
        "health": "none", "restarts": 0, "started_at": "2025-12-18T02:59:00.1Z", "tag": "v2",
        "created": "2025-12-18T02:30:00.123456789Z",
    }  # fmt: skip
    return made | more


def journal(*containers: dict[str, Any], asked: dict[str, Any] | None = None, **look: Any) -> list[Entry]:
    before = snapshot("open", "v2", containers=list(containers), log_errors={}, readiness={"status": 200}, **look)
    return [
        entry("opened", 0, incident="i-1", project="shop", asked_for=asked or {}, review=SETTINGS),
        entry("fact", 1, name="before", value=before),
        entry("fact", 1, name="origin", value={"tags": ["v2"], "digests": {}, "log_errors": {}}),
        entry("closed", 9, outcome="passed"),
    ]


def test_nothing_is_made_up() -> None:
    """A journal without these facts gives an empty review."""
    assert review([]) == Review()
    assert not review([entry("opened", 0, asked_for=None)]).told


def test_since_when_it_was_live_and_noticed() -> None:
    """The failed release is live since its oldest container's creation, or its start if the creation is unknown."""
    there = (
        container(),
        container("shop-jobs-1", created="", started_at="2025-12-18T02:20:00Z"),
        container("db", tag="", created="2020-01-01T00:00:00Z"),
    )
    told = review(
        journal(*there, asked={"detected_at": "2025-12-18T02:50:00.000000Z", "impact": "no orders", "severity": "S1"})
    )
    assert (told.live_since, told.detected_at) == ("2025-12-18T02:20:00Z", "2025-12-18T02:50:00.000000Z")
    assert (told.live_before_detected, told.impact, told.severity) == (1800.0, "no orders", "S1")


def test_resumed_run_says_it_anew() -> None:
    """The newest statement of a resumed run counts. Statements that it does not repeat stay."""
    entries = journal(asked={"impact": "some orders", "severity": "S2"})
    entries.insert(3, entry("resumed", 5, asked_for={"impact": "no orders", "severity": None}))
    assert (review(entries).impact, review(entries).severity) == ("no orders", "S2")


def test_owner_due_and_links() -> None:
    """The due date counts from the incident's end. Links cover 15 minutes before and after the incident."""
    told = review(journal())
    assert (told.owner, told.due) == ("team-shop", "2025-12-20T03:09:00Z")
    (link,) = told.links
    assert link.url == "https://graphs.example/d/shop?from=1766025900000&to=1766028240&at=2025-12-18T02:45:00Z"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/{unknown}\n", "https://x.example/ <b>"])
def test_link_that_is_none(url: str) -> None:
    """An invalid or unsafe link in a forged journal is not shown."""
    entries = journal()
    entries[0]["review"] = {"links": [{"name": "x", "url": url}]}
    assert review(entries).links == ()


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ({}, ""),
        ({"readiness": {"status": 503, "answer": {"db": True, "jobs": False}}}, "readiness false: jobs"),
        ({"readiness": {"status": 502, "answer": None}}, "readiness answers HTTP 502"),
        ({"readiness": {"unknown": "no answer"}}, "readiness not known: no answer"),
        ({"containers": [container(state="restarting", restarts=4)]}, "shop-api-1 restarting, 4 restarts"),
        ({"containers": [container(health="unhealthy")]}, "shop-api-1 running, unhealthy"),
        ({"log_errors": {"boom": 1}}, "once in the logs: boom"),
        ({"log_errors": {"KeyError: sku": 7, "boom": 2}}, "7 times in the logs: KeyError: sku and 1 other error"),
    ],
)  # fmt: skip
def test_cause_as_production_was_found(look: dict[str, Any], words: str) -> None:
    """The cause is one line with the faults that the observations saw, and empty if there were none."""
    told: dict[str, Any] = {"containers": [container()], "log_errors": {}, "readiness": {"status": 200, "answer": {}}}
    assert cause(Snapshot.model_validate(snapshot("open", "v2", **(told | look)))) == words
