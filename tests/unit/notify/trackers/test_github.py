"""The follow-up ticket, against a tracker that answers as GitHub's REST documentation says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from runbook.actions import Action, Scope
from runbook.errors import Inconclusive
from runbook.notify.messages import announcement, ticket
from runbook.notify.trackers.github import GitHubTracker
from runbook.polling import wait_for
from runbook.settings.schema import SecretSource, TicketSettings
from tests.support.parts import Asked, Reply, Server, asking, serving

TOKEN = "canary-4711"
INCIDENT = "20251218T030000Z-shop-rollback"


@dataclass
class GitHub:
    """The issues of one repository, or an error for everybody."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    error: Reply | None = None

    def answer(self, asked: Asked) -> Reply:
        address = urlsplit(asked.path)
        assert address.path == "/api/v3/repos/shop/shop/issues"
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"message": "Bad credentials"})
        if self.error:
            return self.error
        if asked.method == "GET":
            wanted = set(parse_qs(address.query)["labels"][0].split(","))
            assert parse_qs(address.query)["state"] == ["all"]
            return Reply(200, [issue for issue in self.issues if wanted <= set(issue["labels"])])
        number = len(self.issues) + 1
        issue = json.loads(asked.body) | {
            "number": number,
            "html_url": f"https://github.example/shop/shop/issues/{number}",
        }
        self.issues.append(issue)
        return Reply(201, issue)


@contextmanager
def tracker(github: GitHub, token: str = TOKEN) -> Iterator[tuple[GitHubTracker, Server]]:
    with serving(github.answer) as server, asking() as http:
        settings = TicketSettings(
            api_url=f"{server.url}/api/v3/",
            repository="shop/shop",
            token=SecretSource(env="TICKET_TOKEN"),
            labels=("rollback", "shop"),
        )
        yield GitHubTracker(http, settings, SecretStr(token), 0.1), server


def send(change: Action) -> str:
    assert change.commands == ()
    assert change.message is not None
    return change.message.send()


def test_ticket_is_opened_and_found_by_its_incident() -> None:
    """An opened ticket holds title, text, incident and labels, and is found again by the incident."""
    github = GitHub()
    with tracker(github) as (found, server):
        change = found.opening(INCIDENT, "Forward-fix for v2", "It failed.")
        assert change.already() is None
        assert send(change) == "ticket #1: https://github.example/shop/shop/issues/1"
        assert wait_for(found.listed(INCIDENT)).seen.ok
    issue = github.issues[0]
    assert issue["title"] == "Forward-fix for v2"
    assert issue["body"].startswith("It failed.\n")
    assert INCIDENT in issue["body"]
    assert issue["labels"] == ["rollback", "shop"]
    assert server.asked[0].headers["accept"] == "application/vnd.github+json"
    assert server.asked[0].headers["x-github-api-version"] == "2022-11-28"


def test_ticket_is_not_opened_twice() -> None:
    """A ticket of the same incident counts, also when a run that broke off has opened it."""
    with tracker(GitHub()) as (found, _):
        send(found.opening(INCIDENT, "Forward-fix for v2", "It failed."))
        already = found.opening(INCIDENT, "Forward-fix for v2", "It failed.").already()
        assert already == "ticket https://github.example/shop/shop/issues/1"
        assert found.opening("another-incident", "x", "y").already() is None


@pytest.mark.parametrize(
    "issues",
    [
        pytest.param([], id="none"),
        pytest.param([{"labels": ["rollback", "shop"], "body": None}], id="without-text"),
        pytest.param(
            [{"labels": ["rollback", "shop"], "body": "20251218T030000Z-shop-plan"}], id="of-another-incident"
        ),
        pytest.param([{"labels": ["bug"], "body": INCIDENT}], id="without-our-labels"),
    ],
)
def test_other_tickets_are_not_ours(issues: list[dict[str, Any]]) -> None:
    """A ticket without text, of another incident, or without our labels is not the one."""
    with tracker(GitHub(issues)) as (found, _):
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
    """A tracker that does not answer as it should is told by its status; whether there is a ticket is not known."""
    with tracker(GitHub(error=error)) as (found, _):
        with pytest.raises(Inconclusive, match=f"answered {error.status} where 201 was expected") as caught:
            send(found.opening(INCIDENT, "x", "y"))
        assert wait_for(found.listed(INCIDENT)).unknown is not None
    assert "ticket.repository" in caught.value.next_step
    assert TOKEN not in str(caught.value)


def test_refused_token_is_told_without_showing_it() -> None:
    """A token that the tracker refuses is told by the setting's name."""
    wrong = tracker(GitHub(), token="wrong-canary")
    with wrong as (found, _), pytest.raises(Inconclusive, match="answered 401") as caught:
        found.find(INCIDENT)
    assert "ticket.token" in caught.value.next_step
    assert "wrong-canary" not in str(caught.value)


@pytest.mark.parametrize("body", [{"message": "hello"}, ["x", 7, None], "text", None], ids=repr)
def test_list_in_another_form_holds_no_ticket(body: Any) -> None:
    """An answer that is no list of tickets holds none of ours."""
    with tracker(GitHub(error=Reply(200, body))) as (found, _):
        assert found.find(INCIDENT) is None


@pytest.mark.parametrize("body", [["x"], "text", None, b"<html>"], ids=repr)
def test_receipt_in_another_form_is_not_known(body: Any) -> None:
    """A tracker that accepts a ticket and gives no receipt leaves open whether there is one."""
    with tracker(GitHub(error=Reply(201, body))) as (found, _), pytest.raises(Inconclusive):
        send(found.opening(INCIDENT, "x", "y"))


def test_plan_shows_the_whole_ticket() -> None:
    """What would be opened stands in the plan, title and text; opening it reaches people."""
    with tracker(GitHub()) as (found, server):
        change = found.opening(INCIDENT, "Forward-fix for v2", "It failed.")
        assert change.planned["message"] == {"title": "Forward-fix for v2", "text": "It failed."}
        assert change.scope is Scope.PEOPLE
        assert server.asked == []


FACTS = {
    "origin": {"tags": ["v2"], "digests": {"api": "sha256:aa", "jobs": "sha256:bb"}},
    "target": {"tag": "v1"},
    "verdict": {"verdict": "unchanged"},
}


def test_announcement_says_from_where_to_where_and_how_to_check() -> None:
    """People read what was rolled back, to which release, the verdict, the incident and the journal's head."""
    title, text = announcement(INCIDENT, "shop", FACTS, "0" * 64, "3.5")
    assert title == "shop: rolled back to v1"
    for word in ("from v2 to v1", "unchanged", "without service, as measured: 3.5.", INCIDENT, "0" * 64):
        assert word in text


def test_ticket_says_what_failed_and_what_must_not_come_back() -> None:
    """The ticket names the failed release with each of its digests, and what to do."""
    title, text = ticket("shop", FACTS)
    assert title == "Forward-fix for v2 (shop)"
    for word in ("`sha256:aa`", "`sha256:bb`", "forward-fix", "Do not deploy the failed tag again"):
        assert word in text


def test_what_is_not_known_is_not_made_up() -> None:
    """Without facts, announcement and ticket say that they do not know."""
    assert "an unknown release" in announcement(INCIDENT, "shop", {}, "0" * 64, "unknown")[1]
    assert "the failed release" in ticket("shop", {})[0]
