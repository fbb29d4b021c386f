"""The follow-up ticket, by GitHub's REST API (https://docs.github.com/rest/issues/issues)."""

from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from runbook.actions import Action, ActionName, Check, Message, Observation, Scope
from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.settings.schema import TicketSettings


class GitHubTracker:
    """The issue tracker of one repository. A ticket is found again by the incident's name in its body."""

    def __init__(self, http: HttpClient, settings: TicketSettings, token: SecretStr, deadline: float) -> None:
        """`deadline` is in seconds: how long a new ticket may take to be listed."""
        self._http = http
        self._settings = settings
        self._token = token
        self._deadline = deadline

    def find(self, incident: str) -> dict[str, Any] | None:
        """The ticket of `incident`, open or closed, or None. Raises Inconclusive when the tracker does not tell."""
        query = urlencode({"state": "all", "labels": ",".join(self._settings.labels), "per_page": 100})
        found = self._ask("GET", f"?{query}", None, 200).json()
        for issue in found if isinstance(found, list) else []:
            if isinstance(issue, dict) and incident in str(issue.get("body") or ""):
                return issue
        return None

    def opening(self, incident: str, title: str, body: str) -> Action:
        """The change that opens the ticket of `incident`; one that is there already counts."""

        def already() -> str | None:
            issue = self.find(incident)
            return f"ticket {issue.get('html_url')}" if issue else None

        def send() -> str:
            content = {
                "title": title,
                "body": f"{body}\n\nIncident: `{incident}`\n",
                "labels": list(self._settings.labels),
            }
            issue = self._ask("POST", "", content, 201).json()
            if not isinstance(issue, dict):
                raise Inconclusive("the tracker gave no receipt for the ticket", "look for it in the tracker by hand")
            return f"ticket #{issue.get('number')}: {issue.get('html_url')}"

        return Action(
            ActionName.OPEN_TICKET,
            "the follow-up ticket is opened",
            already=already,
            scope=Scope.PEOPLE,
            resource=self._settings.repository,
            message=Message(title, body, send),
        )

    def listed(self, incident: str) -> Check:
        """That the tracker lists the ticket of `incident`."""

        def observe() -> Observation:
            issue = self.find(incident)
            return Observation(issue is not None, f"ticket {issue.get('html_url')}" if issue else "no such ticket")

        return Check("the tracker to list the ticket", observe, "open the ticket by hand", self._deadline)

    def _ask(self, method: str, query: str, body: Any, wanted: int) -> HttpResponse:
        url = f"{self._settings.api_url.rstrip('/')}/repos/{self._settings.repository}/issues{query}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token.get_secret_value()}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        answer = self._http.send(method, url, headers, body)
        if answer.status != wanted:
            raise Inconclusive(
                f"the tracker answered {answer.status} where {wanted} was expected",
                "check ticket.repository and the secret that ticket.token names",
            )
        return answer
