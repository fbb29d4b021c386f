"""Fake GitHub issues that validate each request, and each answer, against GitHub's API description."""

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator

from tests.support.parts import Asked, Reply

TOKEN = "canary-4711"
_PATHS = json.loads(Path(__file__).with_name("github_issues_api.json").read_text(encoding="utf-8"))["paths"]
_DESCRIBED = _PATHS["/repos/{owner}/{repo}/issues"]


@dataclass
class GitHub:
    """The issues of one repository, oldest first, or an error for every request."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    error: Reply | None = None
    per_page: int = 100
    #: Whether the token may not set labels, which GitHub ignores silently.
    drops_labels: bool = False

    def answer(self, asked: Asked) -> Reply:
        """Answer as GitHub describes it. A request that is not described fails the test."""
        address = urlsplit(asked.path)
        issues, _, number = address.path.partition("/repos/shop/shop/issues")
        assert issues == "/api/v3"
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"message": "Bad credentials"})
        if self.error:
            return self.error
        if number:  # a single issue is described like those in the list
            found = {f"/{each['number']}": each for each in self.issues}
            return Reply(200, found[number]) if number in found else Reply(404, {"message": "Not Found"})
        described = _DESCRIBED[asked.method.lower()]
        schemas = {each["name"]: each["schema"] for each in described["parameters"]}
        given = dict(parse_qsl(address.query))
        for name, value in given.items():
            wants_number = schemas[name].get("type") == "integer"
            Draft202012Validator(schemas[name]).validate(int(value) if wants_number else value)
        if asked.method == "GET":
            return self._checked(self._listed(given, address.path))
        sent = json.loads(asked.body)
        Draft202012Validator(described["body"]).validate(sent)
        return self._checked(self._opened(sent))

    def add(self, body: str | None, labels: tuple[str, ...], updated_at: str = "2025-12-18T03:00:01Z") -> None:
        """Add an issue that somebody opened."""
        issue = copy.deepcopy(_DESCRIBED["get"]["answers"]["200"]["example"][0])
        number = len(self.issues) + 1
        issue |= {"body": body, "labels": [{"name": name} for name in labels], "number": number}
        issue |= {"updated_at": updated_at, "html_url": f"https://github.example/shop/shop/issues/{number}"}
        self.issues.append(issue)

    def _listed(self, given: dict[str, str], path: str) -> Reply:
        assert given["state"] == "all"
        wanted, page = set(given["labels"].split(",")), int(given["page"])
        found = [
            issue
            for issue in reversed(self.issues)
            if wanted <= {label["name"] for label in issue["labels"]} and issue["updated_at"] >= given.get("since", "")
        ]
        ends = page * self.per_page
        link = {"Link": f'<https://github.example{path}?page={page + 1}>; rel="next"'} if ends < len(found) else {}
        return Reply(200, found[ends - self.per_page : ends], link)

    def _opened(self, sent: dict[str, Any]) -> Reply:
        self.add(sent["body"], () if self.drops_labels else tuple(sent["labels"]))
        self.issues[-1]["title"] = sent["title"]
        return Reply(201, self.issues[-1])

    @staticmethod
    def _checked(reply: Reply) -> Reply:
        method = "get" if reply.status == 200 else "post"
        Draft202012Validator(_DESCRIBED[method]["answers"][str(reply.status)]["schema"]).validate(reply.body)
        return reply
