"""The follow-up ticket through GitHub's REST API (https://docs.github.com/rest/issues/issues)."""

from collections.abc import Mapping

from pydantic import SecretStr

from runbook.hosts.http import HttpClient
from runbook.notify.markup import MARKDOWN
from runbook.notify.trackers.tracker import Tracker, member, names, since
from runbook.settings.people import GitHubTicket

_CREATED = (201,)


class GitHubTracker(Tracker):
    """The issues of one repository."""

    markup = MARKDOWN
    keys = "ticket.api_url, ticket.repository"
    longest_title, longest_text = 256, 65_536

    def __init__(self, http: HttpClient, settings: GitHubTicket, token: SecretStr, deadline: float) -> None:
        super().__init__(http, settings.repository, deadline)
        self._url = f"{settings.api_url.rstrip('/')}/repos/{settings.repository}/issues"
        self._labels = settings.labels
        self._headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token.get_secret_value()}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def find(self, incident: str) -> str | None:
        """Return the URL of the incident's issue, like `Tracker.find`."""
        # By the list, not by GitHub's search, which finds a new issue only after minutes.
        labels = {"labels": ",".join(self._labels)} if self._labels else {}
        query = {"state": "all", **labels, "since": since(incident)}
        for issue in self._listing(self._url, self._headers, query, _has_next):
            if names(issue.get("body"), incident):
                return member(issue, "html_url")
        return None

    def create(self, incident: str, title: str, text: str) -> str:
        """Open the incident's issue, like `Tracker.create`."""
        title, body = self._fitting(title, text, f"Incident: `{incident}`")
        issue = {"title": title, "body": body, "labels": list(self._labels)}
        return member(self._ask("POST", self._url, self._headers, issue, wanted=_CREATED).json(), "html_url")


def _has_next(headers: Mapping[str, str]) -> bool:
    return 'rel="next"' in headers.get("link", "")
