"""The follow-up ticket in Jira, through version 2 of its REST API, which Cloud, Server and Data Center have.

https://developer.atlassian.com/cloud/jira/platform/rest/v2 and https://developer.atlassian.com/server/jira/platform/rest
"""

import base64
from urllib.parse import urlencode

from pydantic import SecretStr

from runbook.hosts.http import HttpClient
from runbook.notify.markup import JIRA
from runbook.notify.trackers.tracker import Tracker, member, not_a_list
from runbook.settings.people import JiraTicket

_CREATED = (201,)


class JiraTracker(Tracker):
    """The issues of one project. Each ticket has a unique label with the incident's name, by which it is found."""

    markup = JIRA
    keys = "ticket.url, ticket.project, ticket.issue_type, ticket.user"
    longest_text = 32_767

    def __init__(self, http: HttpClient, settings: JiraTicket, token: SecretStr, deadline: float) -> None:
        super().__init__(http, settings.project, deadline)
        self._settings = settings
        self._url = settings.url.rstrip("/")
        secret = token.get_secret_value()
        if settings.user:
            secret = base64.b64encode(f"{settings.user}:{secret}".encode()).decode()
        self._headers = {"Authorization": f"{'Basic' if settings.user else 'Bearer'} {secret}"}
        # Jira Cloud removed the old search (https://developer.atlassian.com/changelog/#CHANGE-2046).
        self._search = "search/jql" if settings.user else "search"

    def find(self, incident: str) -> str | None:
        """Return the URL of the incident's issue, like `Tracker.find`."""
        jql = f'project = "{self._settings.project}" AND labels = "{incident}"'
        query = urlencode({"jql": jql, "fields": "key", "maxResults": 1})
        found = self._ask("GET", f"{self._url}/rest/api/2/{self._search}?{query}", self._headers).json()
        issues = found.get("issues") if isinstance(found, dict) else None
        if not isinstance(issues, list):
            raise not_a_list(found)
        return self._address(issues[0]) if issues else None

    def _issue(self, name: str) -> str:
        return f"{self._url}/rest/api/2/issue/{name}?fields=labels"

    def create(self, incident: str, title: str, text: str) -> str:
        """Open the incident's issue, like `Tracker.create`."""
        summary, description = self._fitting(title, text, f"Incident: {self.markup.code(incident)}")
        issue = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": summary,
            "description": description,
            "labels": [*self._settings.labels, incident],
        }
        url = f"{self._url}/rest/api/2/issue"
        return self._address(self._ask("POST", url, self._headers, {"fields": issue}, wanted=_CREATED).json())

    def _address(self, issue: object) -> str:
        return f"{self._url}/browse/{member(issue, 'key')}"
