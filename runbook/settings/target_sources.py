"""The settings of the sources of releases besides the ledger."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from runbook.patterns import checked
from runbook.settings.secret_source import SecretSource, Section
from runbook.settings.words import AbsolutePath, HttpUrl, ProjectPath, Repository, Seconds, Word, Workflow

#: The groups that a pattern for log lines may have; `tag` is required.
GROUPS = frozenset(("tag", "digest", "service", "image", "time"))


def _names_a_tag(pattern: str) -> str:
    names = re.compile(checked(pattern)).groupindex.keys()
    if "tag" not in names or not names <= GROUPS:
        raise ValueError("expected a group (?P<tag>…); digest, service, image and time may be named too, nothing else")
    return pattern


LinePattern = Annotated[str, AfterValidator(_names_a_tag)]
#: What a successful run proves: the release was built, or it was deployed to production.
Means = Literal["built", "deployed"]


class LogSource(Section):
    """Build logs: files, or a command's output."""

    path: AbsolutePath | None = None
    command: tuple[Word, ...] = ()
    pattern: LinePattern
    means: Means = "built"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (not self.command):
            raise ValueError("expected either path or command")
        return self


class GitHubSource(Section):
    """Runs of a GitHub Actions workflow."""

    api_url: HttpUrl = "https://api.github.com"
    repository: Repository
    workflow: Workflow
    branch: Word = "main"
    job: Word | None = None
    read: Literal["log", "artifact", "notice", "title"] = "log"
    artifact: Word | None = None
    pattern: LinePattern
    means: Means = "built"
    token: SecretSource

    @model_validator(mode="after")
    def _named_artifact(self) -> Self:
        if (self.read == "artifact") != (self.artifact is not None):
            raise ValueError('expected artifact together with read = "artifact"')
        return self


class GitLabSource(Section):
    """Jobs of GitLab CI. `artifact` is the path of a file in the job's artifacts; without it the job's log is read."""

    url: HttpUrl = "https://gitlab.com"
    project: ProjectPath
    branch: Word = "main"
    job: Word
    artifact: Word | None = None
    pattern: LinePattern
    means: Means = "built"
    token: SecretSource


class TargetSettings(Section):
    """The sources of releases besides the ledger, and their limits."""

    pattern: Annotated[str, AfterValidator(checked)] = r"(?!latest$|sha256-).+"
    newest: Annotated[int, Field(ge=1, le=100)] = 10
    deadline: Seconds = 10
    registry: bool = True
    host: bool = True
    logs: tuple[LogSource, ...] = ()
    github: tuple[GitHubSource, ...] = ()
    gitlab: tuple[GitLabSource, ...] = ()

    def tokens(self) -> dict[str, SecretSource]:
        """Return the tokens of the CI services, by a name that may be shown."""
        github = {token_name("github", number): each.token for number, each in enumerate(self.github, 1)}
        return github | {token_name("gitlab", number): each.token for number, each in enumerate(self.gitlab, 1)}


def token_name(service: str, number: int) -> str:
    """Return the name of the token of a CI service, by its position in the settings, counted from 1."""
    return f"token of targets.{service} {number}"
