"""GitHub Actions: successful runs of a workflow (https://docs.github.com/rest/actions/workflow-runs)."""

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import filterfalse, islice
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from runbook.errors import NotRead, SourceError
from runbook.settings.target_sources import GitHubSource
from runbook.targets.candidate import Candidate, moment_in
from runbook.targets.sources.lines import mentioned_in, whole_lines
from runbook.targets.sources.rest_api import RestApi, Unread, was_cut
from runbook.targets.sources.source import Through, Wanted

_MOST_FILES = 20
_LARGEST_FILE = 1 << 20  # bytes of each file of an artifact
#: The errors for an archive that is damaged, of an unknown kind, or encrypted.
_UNREADABLE = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError, zlib.error, lzma.LZMAError
)  # fmt: skip


class GitHubRuns:
    """The runs of one entry of `targets.github`."""

    def __init__(self, settings: GitHubSource, token: SecretStr, named: str, wanted: Wanted) -> None:
        """`named` is the key of the token in the settings."""
        part = "".join(f"{each} of " for each in (settings.artifact or settings.job,) if each)
        self.name = f"GitHub Actions, {part}{settings.workflow} of {settings.repository} on {settings.branch}"
        self.remarks: list[str] = []
        self._settings = settings
        self._wanted = wanted
        self._pattern = re.compile(settings.pattern)
        self._api = RestApi(
            "GitHub",
            settings.api_url.rstrip("/"),
            {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
            {"Authorization": f"Bearer {token.get_secret_value()}"},
            named,
        )
        self._actions = f"/repos/{settings.repository}/actions"

    def candidates(self, through: Through) -> Iterator[Candidate]:
        """Yield the releases in the newest successful runs, the newest run first."""
        query = {"branch": self._settings.branch, "status": "success"}
        runs = f"{self._actions}/workflows/{quote(self._settings.workflow)}/runs"
        told, unread = 0, Unread(self.remarks)
        ours = filterfalse(_of_a_fork, self._api.listed(through, runs, query, "workflow_runs"))
        for run in islice(ours, self._wanted.newest):
            if not isinstance(run.get("id"), int):
                raise SourceError("GitHub gave a run without an id", "request the URL by hand, with curl")
            lines = unread.noting(f"run {run['id']}", self._lines(through, run))
            for mention in mentioned_in(lines, self._pattern, self._wanted, through):
                told += 1
                time = moment_in(run.get("run_started_at") or run.get("created_at"))
                proof = f"run {run['id']} of {self._settings.workflow} succeeded"
                yield mention.candidate(self._settings.means, proof, time, self.name)
        if not told:
            unread.raise_first()
            self.remarks.append(
                f"no {self._settings.read} of its newest successful runs has a line that matches the pattern"
            )

    def _lines(self, through: Through, run: dict[str, Any]) -> Iterator[str]:
        """Yield the lines of a run to search with the pattern."""
        settings = self._settings
        if settings.read == "title":
            yield str(run.get("display_title") or "")
        elif settings.read == "artifact":
            query = {"name": settings.artifact or ""}
            path = f"{self._actions}/runs/{run['id']}/artifacts"
            for artifact in self._api.listed(through, path, query, "artifacts"):
                if artifact.get("name") == settings.artifact and not artifact.get("expired"):
                    answer = self._api.get(through, f"{self._actions}/artifacts/{_number(artifact)}/zip")
                    if was_cut(answer):
                        raise NotRead("its artifact is larger than 8 MiB", "name the release in a separate artifact")
                    yield from _unpacked(answer.content)
        else:
            for job in self._api.listed(through, f"{self._actions}/runs/{run['id']}/jobs", {}, "jobs"):
                if job.get("conclusion") == "success" and settings.job in (None, job.get("name")):
                    yield from self._of_job(through, _number(job))

    def _of_job(self, through: Through, job: int) -> Iterator[str]:
        if self._settings.read == "notice":
            path = f"/repos/{self._settings.repository}/check-runs/{job}/annotations"
            for each in self._api.listed(through, path, {}):
                yield from str(each.get("message")).splitlines()
            return
        answer = self._api.get(through, f"{self._actions}/jobs/{job}/logs", end=True)
        if was_cut(answer):
            self.remarks.append(f"the log of job {job} is too long: only its end was read")
        yield from whole_lines(answer.body, began=not was_cut(answer))


def _of_a_fork(run: dict[str, Any]) -> bool:
    """Tell whether a run is of a pull request from a fork. Anybody can give a fork's branch the same name."""
    own, head = run.get("repository"), run.get("head_repository")
    ours = isinstance(own, dict) and isinstance(head, dict) and own.get("id") == head.get("id")
    return str(run.get("event")).startswith("pull_request") and not ours


def _number(found: dict[str, Any]) -> int:
    number = found.get("id")
    if not isinstance(number, int):
        raise SourceError("GitHub gave a job or an artifact without an id", "request the URL by hand, with curl")
    return number


def _unpacked(packed: bytes) -> Iterator[str]:
    """Yield the lines of an artifact's files: 20 files at most, 1 MiB of each."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for entry in [each for each in archive.infolist() if not each.is_dir()][:_MOST_FILES]:
                with archive.open(entry) as file:
                    content = file.read(_LARGEST_FILE + 1)
                text = content[:_LARGEST_FILE].decode("utf-8", errors="replace")
                yield from whole_lines(text, ended=len(content) <= _LARGEST_FILE)
    except _UNREADABLE:
        raise NotRead("an artifact of GitHub is not a readable archive", "download it by hand") from None
