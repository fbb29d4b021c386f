"""The follow-up ticket in Jira, against servers that follow Atlassian's Cloud and Data Center references."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from runbook.actions import Observation
from runbook.errors import Inconclusive
from runbook.notify.trackers.jira import JiraTracker
from runbook.polling import wait_for
from runbook.settings.people import JiraTicket
from runbook.settings.secret_source import SecretSource
from tests.support.parts import Asked, Reply, asking, serving

TOKEN = "jira-canary"
USER = "on-call@example.com"
INCIDENT = "20251218T030000Z-shop-rollback"


@dataclass
class Jira:
    """A Jira of one project, Cloud or Data Center, that accepts JQL in the one form used."""

    cloud: bool
    issues: list[dict[str, Any]] = field(default_factory=list)
    error: Reply | None = None
    #: The number of newest issues that the search does not find yet.
    behind: int = 0

    def answer(self, asked: Asked) -> Reply:
        basic = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != (f"Basic {basic}" if self.cloud else f"Bearer {TOKEN}"):
            return Reply(401, b"Basic authentication with passwords is deprecated.")
        if self.error:
            return self.error
        address = urlsplit(asked.path)
        match asked.method, address.path:
            case "GET", "/rest/api/2/search/jql" if self.cloud:
                found: dict[str, Any] = {"isLast": True}
            case "GET", "/rest/api/2/search" if not self.cloud:
                found = {"startAt": 0, "maxResults": 1}
            case "GET", path if path.startswith("/rest/api/2/issue/"):
                found = {each["key"]: each for each in map(self._short, self.issues)}
                key = path.rpartition("/")[2]
                return Reply(200, found[key]) if key in found else Reply(404, {"errorMessages": ["no such issue"]})
            case "POST", "/rest/api/2/issue":
                return self._opened(json.loads(asked.body))
            case _:  # the Cloud answers 410 at the address of its old search
                return Reply(410 if self.cloud else 404, {})
        return Reply(200, found | {"issues": self._found(address.query)})

    def _found(self, query: str) -> list[dict[str, Any]]:
        given = parse_qs(query)
        jql = re.fullmatch(r'project = "(\w+)" AND labels = "([^"\s]+)"', given["jql"][0])
        assert jql is not None
        assert jql[1] == "SHOP"
        return [
            self._short(issue) for issue in self.issues[: len(self.issues) - self.behind] if jql[2] in issue["labels"]
        ]

    def _opened(self, sent: dict[str, Any]) -> Reply:
        fields = sent["fields"]
        assert fields["project"] == {"key": "SHOP"}
        assert fields["issuetype"] == {"name": "Bug"}
        assert isinstance(fields["description"], str)
        if len(fields["summary"]) > 255 or "\n" in fields["summary"] or any(" " in each for each in fields["labels"]):
            return Reply(400, {"errorMessages": [], "errors": {"summary": "Summary must be less than 255 characters."}})
        self.issues.append(fields)
        return Reply(201, self._short(fields))

    def _short(self, issue: dict[str, Any]) -> dict[str, Any]:
        number = self.issues.index(issue) + 1
        fields = {"fields": {"labels": issue["labels"]}}
        return {"id": str(10000 + number), "key": f"SHOP-{number}", "self": "https://jira/rest/api/2/issue/1", **fields}


@contextmanager
def tracker(jira: Jira, token: str = TOKEN) -> Iterator[JiraTracker]:
    with serving(jira.answer) as server, asking() as http:
        settings = JiraTicket(
            tracker="jira",
            url=f"{server.url}/",
            project="SHOP",
            issue_type="Bug",
            user=USER if jira.cloud else None,
            token=SecretSource(env="X"),
        )
        yield JiraTracker(http, settings, SecretStr(token), 0.1)


@pytest.mark.parametrize("jira", [Jira(cloud=True), Jira(cloud=False)], ids=["cloud", "server"])
def test_ticket_is_opened_once_and_found_by_its_label(jira: Jira) -> None:
    """Cloud and Data Center each have their own search. A ticket is found by a label with the incident's name."""
    with tracker(jira) as found:
        assert found.find(INCIDENT) is None
        address = found.create(INCIDENT, "Forward-fix " + "x" * 300, "It failed.")
        assert address.endswith("/browse/SHOP-1")
        assert found.find(INCIDENT) == address
        assert found.find("another") is None
    assert jira.issues[0]["labels"] == ["rollback", INCIDENT]
    assert INCIDENT in jira.issues[0]["description"]


@pytest.mark.parametrize(
    "error", [Reply(400, {"errors": {"issuetype": "Specify a valid issue type"}}), Reply(401, b""), Reply(503, b"")]
)
def test_tracker_that_refuses_is_told(error: Reply) -> None:
    """A refusal is reported with its status and the settings to check, without the token."""
    told = pytest.raises(Inconclusive, match=f"answered {error.status} where 201")
    with tracker(Jira(cloud=True, error=error)) as found, told as caught:
        found.create(INCIDENT, "x", "y")
    assert "ticket.issue_type" in caught.value.next_step
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("body", [{"issues": "x"}, ["x", 7], "text", None], ids=repr)
def test_hostile_answers(body: Any) -> None:
    """A list or receipt in an unknown form is an error."""
    with tracker(Jira(cloud=False, error=Reply(200, body))) as found, pytest.raises(Inconclusive, match="a list of"):
        found.find(INCIDENT)
    with tracker(Jira(cloud=False, error=Reply(201, body))) as found, pytest.raises(Inconclusive, match="no receipt"):
        found.create(INCIDENT, "x", "y")


def test_long_ticket_fits(long_text: str) -> None:
    """The text is cut to Jira's limit of 32,767 characters, and still has the incident's name."""
    jira = Jira(cloud=True)
    with tracker(jira) as found:
        found.create(INCIDENT, "x", long_text)
    assert len(jira.issues[0]["description"]) <= 32_767
    assert INCIDENT in jira.issues[0]["description"]


def test_ticket_that_the_search_has_not_learnt_of() -> None:
    """A ticket that the search does not find yet is read by its recorded address. A missing one is not found."""
    with tracker(Jira(cloud=True, behind=1)) as found:
        address = found.create(INCIDENT, "x", "y")
        assert found.find(INCIDENT) is None
        assert wait_for(found.listed(INCIDENT, address)).seen.ok
        for incident, known in ((INCIDENT, ""), (INCIDENT, f"{address}7"), ("another", address)):
            assert wait_for(found.listed(incident, known)).seen == Observation(ok=False, seen="no such ticket")
