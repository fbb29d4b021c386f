"""The follow-up ticket on GitLab, against a server that answers according to https://docs.gitlab.com/api/issues."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from runbook.errors import Inconclusive
from runbook.notify.trackers.gitlab import GitLabTracker
from runbook.settings.people import GitLabTicket
from runbook.settings.secret_source import SecretSource
from tests.support.parts import Asked, Reply, asking, serving

TOKEN = "glpat-canary"
INCIDENT = "20251218T030000Z-shop-rollback"
ADDRESS = "https://gitlab.example/group/shop/-/issues/1"


@dataclass
class GitLab:
    """A server with the issues of one project, oldest first, and a clock a minute slow. `error` is its only answer."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    error: Reply | None = None
    per_page: int = 100

    def answer(self, asked: Asked) -> Reply:
        address = urlsplit(asked.path)
        assert address.path == "/gitlab/api/v4/projects/group%2Fshop/issues"
        if asked.headers.get("private-token") != TOKEN:
            return Reply(401, {"message": "401 Unauthorized"})
        if self.error:
            return self.error
        if asked.method == "GET":
            return self._listed({name: value for name, (value,) in parse_qs(address.query).items()})
        sent = json.loads(asked.body)
        assert sent.keys() == {"title", "description", "labels"}
        assert sent["labels"] == "rollback,at night"
        number = len(self.issues) + 1
        issue = {
            "id": 70 + number,
            "iid": number,
            "state": "opened",
            "title": sent["title"],
            "description": sent["description"],
            "labels": sent["labels"].split(","),
            "created_at": "2025-12-18T02:59:00.000Z",
            "web_url": f"https://gitlab.example/group/shop/-/issues/{number}",
        }
        self.issues.append(issue)
        return Reply(201, issue)

    def _listed(self, given: dict[str, str]) -> Reply:
        assert given.keys() == {"labels", "created_after", "per_page", "page"}
        wanted, page = set(given["labels"].split(",")), int(given["page"])
        found = [
            issue
            for issue in reversed(self.issues)
            if wanted <= set(issue["labels"]) and issue["created_at"] >= given["created_after"]
        ]
        ends = page * self.per_page
        more = str(page + 1) if ends < len(found) else ""
        return Reply(200, found[ends - self.per_page : ends], {"X-Next-Page": more})


@contextmanager
def tracker(gitlab: GitLab, token: str = TOKEN) -> Iterator[GitLabTracker]:
    with serving(gitlab.answer) as server, asking() as http:
        settings = GitLabTicket(
            tracker="gitlab",
            url=f"{server.url}/gitlab/",
            project="group/shop",
            token=SecretSource(env="X"),
            labels=("rollback", "at night"),
        )
        yield GitLabTracker(http, settings, SecretStr(token), 0.1)


def test_ticket_is_opened_once_and_found_again() -> None:
    """On a GitLab below a path, the project is addressed by its path, and each incident has one ticket."""
    gitlab = GitLab()
    with tracker(gitlab) as found:
        assert found.find(INCIDENT) is None
        assert found.create(INCIDENT, "Forward-fix", "It failed.") == ADDRESS
        assert found.find(INCIDENT) == ADDRESS
        assert found.find("20251218T030000Z-shop-emergency") is None
    assert f"`{INCIDENT}`" in gitlab.issues[0]["description"]


def test_ticket_behind_many_newer_ones_is_found() -> None:
    """The list is read page by page, and only from the incident's beginning."""
    gitlab = GitLab(per_page=2)
    with tracker(gitlab) as found:
        found.create(INCIDENT, "x", "y")
        for number in range(4):
            found.create(f"another-{number}", "x", "y")
        assert found.find(INCIDENT) == ADDRESS
        assert found.find("20260101T000000Z-shop-rollback") is None


@pytest.mark.parametrize("error", [Reply(403, {"message": "403 Forbidden"}), Reply(404, {}), Reply(502, b"<html>")])
def test_tracker_that_refuses_is_told(error: Reply) -> None:
    """A refusal is reported with its status and the settings to check."""
    with tracker(GitLab(error=error)) as found:
        with pytest.raises(Inconclusive, match=f"answered {error.status} where 201") as caught:
            found.create(INCIDENT, "x", "y")
        with pytest.raises(Inconclusive, match=f"answered {error.status} where 200"):
            found.find(INCIDENT)
    assert "ticket.project" in caught.value.next_step


def test_refused_token_is_not_shown() -> None:
    """A refused token is not shown."""
    with tracker(GitLab(), token="wrong-canary") as found, pytest.raises(Inconclusive) as caught:
        found.find(INCIDENT)
    assert "wrong-canary" not in str(caught.value)


@pytest.mark.parametrize("body", [{"message": "hello"}, "text", None], ids=repr)
def test_hostile_answers(body: Any) -> None:
    """A list or receipt in an unknown form is an error. List items that are not tickets are skipped."""
    with tracker(GitLab(error=Reply(200, body))) as found, pytest.raises(Inconclusive, match="a list of tickets"):
        found.find(INCIDENT)
    with tracker(GitLab(error=Reply(201, body))) as found, pytest.raises(Inconclusive, match="no receipt"):
        found.create(INCIDENT, "x", "y")
    with tracker(GitLab(error=Reply(200, ["x", 7, None]))) as found:
        assert found.find(INCIDENT) is None


def test_long_ticket_fits(long_text: str) -> None:
    """Title and text are cut to GitLab's limits of 255 and 1,000,000 characters."""
    gitlab = GitLab()
    with tracker(gitlab) as found:
        found.create(INCIDENT, "Forward-fix " + "x" * 300, long_text)
        assert found.find(INCIDENT) == ADDRESS
    assert len(gitlab.issues[0]["title"]) <= 255
    assert len(gitlab.issues[0]["description"]) <= 1_000_000
