"""The choice of the tracker by the settings."""

from collections.abc import Callable

from pydantic import SecretStr

from runbook.hosts.http import HttpClient
from runbook.notify.trackers.github import GitHubTracker
from runbook.notify.trackers.gitlab import GitLabTracker
from runbook.notify.trackers.jira import JiraTracker
from runbook.notify.trackers.tracker import Tracker
from runbook.notify.trackers.webhook import WebhookTracker
from runbook.settings.people import GitHubTicket, GitLabTicket, JiraTicket, TicketSettings


def tracker_for(
    settings: TicketSettings,
    http: HttpClient,
    deadline: float,
    secret: Callable[[str], SecretStr],
    known: Callable[[], str | None],
) -> Tracker:
    """Return the tracker. `secret` returns a secret of the settings by name, `known` the recorded ticket."""
    match settings:
        case GitHubTicket():
            return GitHubTracker(http, settings, secret("ticket token"), deadline)
        case GitLabTicket():
            return GitLabTracker(http, settings, secret("ticket token"), deadline)
        case JiraTicket():
            return JiraTracker(http, settings, secret("ticket token"), deadline)
    return WebhookTracker(http, secret("ticket address"), secret("ticket token") if settings.token else None, known)
