"""GitLab CI: successful jobs with one name on a branch (https://docs.gitlab.com/api/jobs/)."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from runbook.errors import SourceError
from runbook.settings.target_sources import GitLabSource
from runbook.targets.candidate import Candidate, moment_in
from runbook.targets.sources.lines import mentioned_in, whole_lines
from runbook.targets.sources.rest_api import RestApi, Unread, was_cut
from runbook.targets.sources.source import Through, Wanted

_MOST_PIPELINES = 50


class GitLabJobs:
    """The jobs of one entry of `targets.gitlab`."""

    def __init__(self, settings: GitLabSource, token: SecretStr, named: str, wanted: Wanted) -> None:
        """`named` is the key of the token in the settings."""
        part = f"{settings.artifact} of " if settings.artifact else ""
        self.name = f"GitLab CI, {part}{settings.job} of {settings.project} on {settings.branch}"
        self.remarks: list[str] = []
        self._settings = settings
        self._wanted = wanted
        self._pattern = re.compile(settings.pattern)
        credentials = {"PRIVATE-TOKEN": token.get_secret_value()}
        self._api = RestApi("GitLab", f"{settings.url.rstrip('/')}/api/v4", {}, credentials, named)
        self._project = f"/projects/{quote(settings.project, safe='')}"

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """Yield the releases in the newest successful jobs with that name, the newest pipeline first."""
        told, unread = 0, Unread(self.remarks)
        for job in islice(self._jobs(through), self._wanted.newest):
            lines = unread.noting(f"job {job['id']}", self._lines(through, job))
            for mention in mentioned_in(lines, self._pattern, self._wanted, through):
                told += 1
                time = moment_in(job.get("finished_at") or job.get("created_at"))
                proof = f"job {job['id']} ({self._settings.job}) succeeded"
                yield mention.candidate(self._settings.means, proof, time, self.name)
        if not told:
            unread.raise_first()
            self.remarks.append("no output of its newest successful jobs has a line that matches the pattern")

    def _jobs(self, through: Through) -> Iterator[dict[str, Any]]:
        # The job must succeed, not its pipeline: a later job than the deployment may fail.
        query = {"ref": self._settings.branch, "order_by": "id", "sort": "desc"}
        pipelines = self._api.listed(through, f"{self._project}/pipelines", query)
        for number, pipeline in enumerate(pipelines, 1):
            if number > _MOST_PIPELINES:
                self.remarks.append(f"only its newest {_MOST_PIPELINES} pipelines were read")
                return
            path = f"{self._project}/pipelines/{_number(pipeline)}/jobs"
            for job in self._api.listed(through, path, {"scope[]": "success"}):
                if job.get("name") == self._settings.job and _number(job):
                    yield job

    def _lines(self, through: Through, job: dict[str, Any]) -> Iterator[str]:
        path, artifact = f"{self._project}/jobs/{job['id']}", self._settings.artifact
        answer = self._api.get(
            through, f"{path}/artifacts/{quote(artifact)}" if artifact else f"{path}/trace", end=True
        )
        if was_cut(answer):
            self.remarks.append(f"the output of job {job['id']} is too long: only its end was read")
        yield from whole_lines(answer.body, began=not was_cut(answer))


def _number(found: dict[str, Any]) -> int:
    number = found.get("id")
    if not isinstance(number, int):
        raise SourceError("GitLab gave a pipeline or a job without an id", "request the URL by hand, with curl")
    return number
