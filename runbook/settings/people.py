"""The settings of what people read: the incident channel, the tracker, the incident log."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Tag, ValidationInfo, model_validator

from runbook.settings.secret_source import Argv, SecretSource, Section
from runbook.settings.words import HttpUrl, JiraKey, Label, ProjectPath, Repository, Word, WordLabel

#: Trackers take several labels as one text, separated by commas.
_Labels = tuple[Label, ...]
_WordLabels = tuple[WordLabel, ...]


def _beside_the_settings(path: Path, info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", "")) / path


#: A path relative to the settings file, on the machine that runs pytest.
PathBeside = Annotated[Path, AfterValidator(_beside_the_settings)]


class Turn(StrEnum):
    """The events of an execution that are announced."""

    STARTED = "started"
    DECISION_NEEDED = "decision_needed"
    HELD = "held"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    TRAFFIC_RESUMED = "traffic_resumed"
    DONE = "done"


class AnnouncementSettings(Section):
    """The incident channel, as an Apprise URL (https://github.com/caronc/apprise/wiki), and its announcements.

    `done` is always announced, whatever `turns` says: a step of chapter 5 does it.
    """

    url: SecretSource
    turns: tuple[Turn, ...] = tuple(Turn)
    templates: PathBeside | None = None


class GitHubTicket(Section):
    """A repository on GitHub, or GitHub Enterprise Server (https://docs.github.com/rest/issues/issues)."""

    tracker: Literal["github"] = "github"
    api_url: HttpUrl = "https://api.github.com"
    repository: Repository
    token: SecretSource
    labels: _Labels = ("rollback",)


class GitLabTicket(Section):
    """A project on GitLab (https://docs.gitlab.com/api/issues)."""

    tracker: Literal["gitlab"]
    url: HttpUrl = "https://gitlab.com"
    project: ProjectPath
    token: SecretSource
    labels: _Labels = ("rollback",)


class JiraTicket(Section):
    """A project in Jira: in the Cloud with `user` (an e-mail address), else on Jira Server or Data Center."""

    tracker: Literal["jira"]
    url: HttpUrl
    project: JiraKey
    issue_type: Word = "Task"
    user: Word | None = None
    token: SecretSource
    labels: _WordLabels = ("rollback",)


class WebhookTicket(Section):
    """The team's own URL that takes a ticket as JSON."""

    tracker: Literal["webhook"]
    url: SecretSource
    token: SecretSource | None = None


def tracker_of(given: Any) -> str:
    """Return the tracker of a section `[ticket]`."""
    return str(given.get("tracker", "github") if isinstance(given, dict) else getattr(given, "tracker", ""))


TicketSettings = Annotated[
    Annotated[GitHubTicket, Tag("github")]
    | Annotated[GitLabTicket, Tag("gitlab")]
    | Annotated[JiraTicket, Tag("jira")]
    | Annotated[WebhookTicket, Tag("webhook")],
    Discriminator(
        tracker_of,
        custom_error_type="tracker",
        custom_error_message="expected tracker to be github, gitlab, jira or webhook",
    ),
]


class IncidentLogSettings(Section):
    """The team's incident log: a Markdown file, or a command that takes the entry on standard input."""

    file: PathBeside | None = None
    command: Argv | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise ValueError("expected either file or command")
        return self
