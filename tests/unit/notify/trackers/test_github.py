"""The follow-up ticket on GitHub, against a server that answers according to GitHub's published API description."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from runbook.actions import Action, Scope
from runbook.errors import Inconclusive
from runbook.notify.trackers import tracker as base
from runbook.notify.trackers.github import GitHubTracker
from runbook.polling import wait_for
from runbook.settings.people import GitHubTicket
from runbook.settings.secret_source import SecretSource
from tests.support.github_issues import TOKEN, GitHub
from tests.support.parts import Asked, Reply, Server, asking, serving

INCIDENT = "20251218T030000Z-shop-rollback"
LABELS = ("rollback", "shop")


@contextmanager
def tracker(github: GitHub, token: str = TOKEN) -> Iterator[tuple[GitHubTracker, Server]]:
    with serving(github.answer) as server, asking() as http:
        settings = GitHubTicket(
            api_url=f"{server.url}/api/v3/",
            repository="shop/shop",
            token=SecretSource(env="TICKET_TOKEN"),
            labels=LABELS,
        )
        yield GitHubTracker(http, settings, SecretStr(token), 0.1), server


def opening(found: GitHubTracker, opened: list[str] | None = None) -> Action:
    heard = [] if opened is None else opened
    return found.opening(INCIDENT, "Forward-fix for v2", "It failed.", heard.append)


def send(change: Action) -> str:
    assert change.commands == ()
    assert change.message is not None
    return change.message.send()


def test_ticket_is_opened_and_found_by_its_incident() -> None:
    """A ticket has title, text, incident and labels, and is found by its incident."""
    github, heard = GitHub(), list[str]()
    with tracker(github) as (found, server):
        change = opening(found, heard)
        assert change.already() is None
        assert send(change) == "ticket https://github.example/shop/shop/issues/1"
        change.record()
        assert wait_for(found.listed(INCIDENT)).seen.ok
    assert heard == ["https://github.example/shop/shop/issues/1"]
    issue = github.issues[0]
    assert issue["title"] == "Forward-fix for v2"
    assert issue["body"].startswith("It failed.\n")
    assert INCIDENT in issue["body"]
    assert [label["name"] for label in issue["labels"]] == list(LABELS)
    assert server.asked[0].headers["accept"] == "application/vnd.github+json"
    assert server.asked[0].headers["x-github-api-version"] == "2022-11-28"


def test_ticket_is_not_opened_twice() -> None:
    """A ticket of the incident that an earlier run opened is not opened again, and its address is recorded."""
    heard: list[str] = []
    with tracker(GitHub()) as (found, _):
        send(opening(found))
        change = opening(found, heard)
        assert change.already() == "ticket https://github.example/shop/shop/issues/1"
        change.record()
        assert heard == ["https://github.example/shop/shop/issues/1"]
        assert found.find("20251218T030000Z-another-incident") is None


@pytest.mark.parametrize("taken", [True, False])
def test_ticket_whose_answer_is_lost(*, taken: bool) -> None:
    """If the answer is lost, the ticket is searched for. If it does not exist, an error is reported."""
    github = GitHub()

    def answer(asked: Asked) -> Reply:
        reply = github.answer(asked) if taken or asked.method == "GET" else None
        return reply if reply and asked.method == "GET" else Reply(502, b"<html>")

    with serving(answer) as server, asking() as http:
        settings = GitHubTicket(
            api_url=f"{server.url}/api/v3/", repository="shop/shop", token=SecretSource(env="X"), labels=LABELS
        )
        heard: list[str] = []
        change = opening(GitHubTracker(http, settings, SecretStr(TOKEN), 0.1), heard)
        if taken:
            assert send(change) == "ticket https://github.example/shop/shop/issues/1"
            change.record()
        else:
            with pytest.raises(Inconclusive, match="answered 502 where 201"):
                send(change)
        assert len(heard) == len(github.issues) == int(taken)


def test_ticket_whose_labels_were_dropped() -> None:
    """If GitHub drops the labels, the ticket is found by its address instead of the list."""
    github = GitHub(drops_labels=True)
    with tracker(github) as (found, _):
        address = found.create(INCIDENT, "Forward-fix", "It failed.")
        assert found.find(INCIDENT) is None
        assert wait_for(found.listed(INCIDENT, address)).seen.ok
        for incident, known in ((INCIDENT, ""), (INCIDENT, f"{address}7"), ("another", address)):
            assert not wait_for(found.listed(incident, known)).seen.ok


def test_ticket_behind_many_newer_ones_is_found() -> None:
    """The list is read page by page, and only from the incident's beginning."""
    github = GitHub(per_page=2)
    github.add(INCIDENT, LABELS)
    for number in range(5):
        github.add(f"another {number}", LABELS)
    with tracker(github) as (found, server):
        assert found.find(INCIDENT) == "https://github.example/shop/shop/issues/1"
        assert len(server.asked) == 3
        assert found.find("20260101T000000Z-shop-rollback") is None
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        pytest.param(None, LABELS, id="without-text"),
        pytest.param("20251218T030000Z-shop-plan", LABELS, id="of-another-incident"),
        pytest.param(INCIDENT, ("bug",), id="without-our-labels"),
    ],
)
def test_other_tickets_are_not_ours(body: str | None, labels: tuple[str, ...]) -> None:
    """A ticket without text, of another incident, or without the labels does not count."""
    github = GitHub()
    github.add(body, labels)
    with tracker(github) as (found, _):
        result = wait_for(found.listed(INCIDENT))
    assert not result.seen.ok
    assert result.unknown is None


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Reply(404, {"message": "Not Found"}), id="404-no-such-repository"),
        pytest.param(Reply(410, {"message": "Issues are disabled"}), id="410-no-issues"),
        pytest.param(Reply(422, {"message": "Validation Failed", "errors": []}), id="422-label-refused"),
        pytest.param(Reply(503, b"<html>"), id="503-out-of-order"),
        pytest.param(Reply(301, headers={"Location": "/elsewhere"}), id="301-renamed"),
    ],
)
def test_tracker_that_refuses_is_told(error: Reply) -> None:
    """An error of the tracker is reported with its status, and whether the ticket exists is unknown."""
    with tracker(GitHub(error=error)) as (found, _):
        with pytest.raises(Inconclusive, match=f"answered {error.status} where 201 was expected") as caught:
            send(opening(found))
        assert wait_for(found.listed(INCIDENT)).unknown is not None
    assert "ticket.repository" in caught.value.next_step
    assert TOKEN not in str(caught.value)


def test_refused_token_is_told_without_showing_it() -> None:
    """A refused token is reported with the setting's name, without the token."""
    wrong = tracker(GitHub(), token="wrong-canary")
    with wrong as (found, _), pytest.raises(Inconclusive, match="answered 401") as caught:
        found.find(INCIDENT)
    assert "ticket.token" in caught.value.next_step
    assert "wrong-canary" not in str(caught.value)


def test_list_of_other_things_holds_no_ticket() -> None:
    """List items that are not tickets are skipped."""
    with tracker(GitHub(error=Reply(200, ["x", 7, None]))) as (found, _):
        assert found.find(INCIDENT) is None


@pytest.mark.parametrize("body", [{"message": "hello"}, "text", None], ids=repr)
def test_answer_that_is_no_list_leaves_open_whether_there_is_a_ticket(body: Any) -> None:
    """An answer that is not a list is an error, because an empty list would lead to a second ticket."""
    with tracker(GitHub(error=Reply(200, body))) as (found, _), pytest.raises(Inconclusive, match="a list of tickets"):
        found.find(INCIDENT)


def test_list_without_an_end_leaves_it_open_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """After too many pages the search ends with an error, because the ticket may still exist."""
    monkeypatch.setattr(base, "_MOST_PAGES", 2)
    github = GitHub(per_page=2)
    for number in range(5):
        github.add(f"another {number}", LABELS)
    with tracker(github) as (found, _), pytest.raises(Inconclusive, match="more than 200 tickets"):
        found.find(INCIDENT)


def test_incident_whose_name_goes_on_is_another() -> None:
    """A longer incident name that contains the sought one does not match."""
    github = GitHub()
    github.add(f"Incident: `{INCIDENT}-2`, x-{INCIDENT}", LABELS)
    with tracker(github) as (found, _):
        assert found.find(INCIDENT) is None


def test_long_ticket_fits(long_text: str) -> None:
    """Title and text are cut to GitHub's limits of 256 and 65,536 characters. The incident's name stays at the end."""
    github = GitHub()
    with tracker(github) as (found, _):
        found.create(INCIDENT, "Forward-fix " + "x" * 300, long_text)
        assert found.find(INCIDENT) is not None
    issue = github.issues[0]
    assert (len(issue["title"]) <= 256, len(issue["body"]) <= 65_536) == (True, True)
    assert issue["body"].endswith(f"- a table\n\nThe rest is in the record.\n\nIncident: `{INCIDENT}`\n")


def test_what_the_tracker_says_is_told() -> None:
    """The tracker's own reason is shown, and a long page is cut."""
    refused = Reply(422, {"message": "Validation Failed", "errors": [{"field": "labels"}]})
    with tracker(GitHub(error=refused)) as (found, _), pytest.raises(Inconclusive, match=r"expected: .*labels"):
        found.create(INCIDENT, "x", "y")
    page = Reply(403, b"<html>" + b"blocked " * 5000)
    with tracker(GitHub(error=page)) as (found, _), pytest.raises(Inconclusive) as caught:
        found.create(INCIDENT, "x", "y")
    assert len(caught.value.seen) < 500


@pytest.mark.parametrize("body", [["x"], "text", None, b"<html>", {"html_url": None}], ids=repr)
def test_receipt_in_another_form_is_not_known(body: Any) -> None:
    """A 201 answer without a valid receipt is an error, because it is unknown whether the ticket exists."""
    with tracker(GitHub(error=Reply(201, body))) as (found, _), pytest.raises(Inconclusive):
        send(opening(found))


def test_plan_shows_the_whole_ticket() -> None:
    """The plan shows the ticket's title and text and sends no request. Opening it has the scope "people"."""
    with tracker(GitHub()) as (found, server):
        change = opening(found)
        assert change.planned["message"] == {"title": "Forward-fix for v2", "text": "It failed."}
        assert change.scope is Scope.PEOPLE
        assert server.asked == []
