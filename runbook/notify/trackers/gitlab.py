"""The follow-up ticket through GitLab's REST API (https://docs.gitlab.com/api/issues)."""

from urllib.parse import quote

from pydantic import SecretStr

from runbook.hosts.http import HttpClient
from runbook.notify.markup import MARKDOWN
from runbook.notify.trackers.tracker import Tracker, member, names, since
from runbook.settings.people import GitLabTicket

_CREATED = (201,)


class GitLabTracker(Tracker):
    """The issues of one project, on gitlab.com or the team's own GitLab."""

    markup = MARKDOWN
    keys = "ticket.url, ticket.project"

    def __init__(self, http: HttpClient, settings: GitLabTicket, token: SecretStr, deadline: float) -> None:
        super().__init__(http, settings.project, deadline)
        self._url = f"{settings.url.rstrip('/')}/api/v4/projects/{quote(settings.project.strip('/'), safe='')}/issues"
        self._labels = ",".join(settings.labels)
        self._headers = {"PRIVATE-TOKEN": token.get_secret_value()}

    def find(self, incident: str) -> str | None:
        """Return the URL of the incident's issue, like `Tracker.find`."""
        # By the list, not by GitLab's search, which splits a name differently from version to version.
        query = {**({"labels": self._labels} if self._labels else {}), "created_after": since(incident)}
        for issue in self._listing(self._url, self._headers, query, lambda headers: bool(headers.get("x-next-page"))):
            if names(issue.get("description"), incident):
                return member(issue, "web_url")
        return None

    def create(self, incident: str, title: str, text: str) -> str:
        """Open the incident's issue, like `Tracker.create`."""
        title, description = self._fitting(title, text, f"Incident: `{incident}`")
        issue = {"title": title, "description": description, "labels": self._labels}
        return member(self._ask("POST", self._url, self._headers, issue, wanted=_CREATED).json(), "web_url")
