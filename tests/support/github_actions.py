"""A fake GitHub Actions that validates each request, and each of its answers, against GitHub's API description."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator

from tests.support.parts import Asked, Reply

_DESCRIPTION = Path(__file__).with_name("github_actions_api.json")
_RUNS = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs"
_JOBS = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs"
_ARTIFACTS = "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts"
_ANNOTATIONS = "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations"
_LOGS = "/repos/{owner}/{repo}/actions/jobs/{job_id}/logs"
_ZIP = "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}"
TOKEN = "ci-canary-4711"


@dataclass
class GitHubActions:
    """The runs of a workflow, newest first, by id: the log of their job, and the content of an artifact."""

    logs: Mapping[int, str] = field(default_factory=dict)
    artifacts: Mapping[int, bytes] = field(default_factory=dict)
    notices: Mapping[int, str] = field(default_factory=dict)
    #: Its address, and the address of the server for logs and artifacts.
    url: str = ""
    storage: str = ""
    per_page: int = 2
    #: Answers to the first requests, in this order.
    refusals: list[Reply] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        """Answer a request as GitHub describes it."""
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        if self.refusals:
            return self.refusals.pop(0)
        path, given = _described(asked)
        page = int(given.get("page", "1"))
        reply = self._answers()[path](given, page)
        described = _paths()[path]["answers"][str(reply.status)]
        if "schema" in described:
            Draft202012Validator(described["schema"]).validate(reply.body)
        return reply

    def _answers(self) -> dict[str, Callable[[Mapping[str, str], int], Reply]]:
        return {
            _RUNS: self._runs,
            _JOBS: lambda given, _page: self._jobs(int(given["run_id"])),
            _LOGS: lambda given, _page: self._elsewhere("logs", given["job_id"]),
            _ARTIFACTS: lambda given, _page: self._artifacts(int(given["run_id"]), given["name"]),
            _ZIP: lambda given, _page: self._elsewhere("artifacts", given["artifact_id"]),
            _ANNOTATIONS: lambda given, _page: self._annotations(int(given["check_run_id"])),
        }

    def _runs(self, given: Mapping[str, str], page: int) -> Reply:
        assert (given["workflow_id"], given["branch"], given["status"]) == ("deploy.yml", "main", "success")
        known = list(self.logs or self.artifacts or self.notices)
        first = (page - 1) * self.per_page
        runs = [
            _example(_RUNS)["workflow_runs"][0]
            | {"id": number, "display_title": f"Deploy v{number}", "run_started_at": f"2025-12-{number:02}T10:00:00Z"}
            for number in known[first : first + self.per_page]
        ]
        query = f"branch=main&status=success&per_page=30&page={page + 1}"
        link = f'<{self.url}/repos/shop/shop/actions/workflows/deploy.yml/runs?{query}>; rel="next"'
        more = first + self.per_page < len(known)
        return Reply(200, {"total_count": len(known), "workflow_runs": runs}, {"Link": link} if more else {})

    def _jobs(self, run: int) -> Reply:
        job = _example(_JOBS)["jobs"][0] | {"created_at": "2025-12-01T10:00:00Z", "conclusion": "success"}
        jobs = [
            job | {"id": run * 10, "name": "deploy"},
            job | {"id": run * 10 + 1, "name": "test"},
            job | {"id": run * 10 + 2, "name": "deploy", "conclusion": "failure"},
        ]
        return Reply(200, {"total_count": len(jobs), "jobs": jobs})

    def _artifacts(self, run: int, name: str) -> Reply:
        artifact = _example(_ARTIFACTS)["artifacts"][0] | {"name": name, "id": run, "expired": False}
        expired = artifact | {"id": run + 1000, "expired": True}
        return Reply(200, {"total_count": 2, "artifacts": [expired, artifact]})

    def _annotations(self, job: int) -> Reply:
        return Reply(200, [_example(_ANNOTATIONS)[0] | {"message": self.notices[job // 10]}])

    def _elsewhere(self, kind: str, number: str) -> Reply:
        return Reply(302, headers={"Location": f"{self.storage}/{kind}/{number}?signature=signed-canary"})

    def stored(self, asked: Asked) -> Reply:
        """Answer as the server for logs and artifacts, which needs only the address."""
        assert "authorization" not in asked.headers
        _, kind, number = urlsplit(asked.path).path.split("/")
        return Reply(200, self.artifacts[int(number)] if kind == "artifacts" else self.logs[int(number) // 10].encode())


@cache
def _paths() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_DESCRIPTION.read_text(encoding="utf-8"))["paths"]
    return found


def _example(path: str) -> Any:
    return copy.deepcopy(_paths()[path]["answers"]["200"]["example"])


def _described(asked: Asked) -> tuple[str, dict[str, str]]:
    """Return the described path that a request is for, and its parameters. Every parameter must be described."""
    assert asked.method == "GET"
    address = urlsplit(asked.path)
    for path in _paths():
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        if match := re.fullmatch(pattern, address.path):
            break
    else:
        raise AssertionError(f"GitHub describes no {address.path}")
    given = match.groupdict() | dict(parse_qsl(address.query, strict_parsing=bool(address.query)))
    schemas = {each["name"]: each["schema"] for each in _paths()[path]["parameters"]}
    for name, value in given.items():
        wants_number = schemas[name].get("type") == "integer"  # a KeyError is a parameter that GitHub does not know
        Draft202012Validator(schemas[name]).validate(int(value) if wants_number else value)
    return path, given
