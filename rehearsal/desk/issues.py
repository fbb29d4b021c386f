"""Issues as in GitHub's REST API: create, list and read, for the single repository TICKET_REPOSITORY.

Follows https://docs.github.com/en/rest/issues/issues, version 2022-11-28, as GitHub Enterprise serves it
below /api/v3.
"""

import hmac
import html
import os
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

Issue = dict[str, Any]
DOCUMENTATION = "https://docs.github.com/rest/issues/issues"

kept: list[Issue] = []


class Refusal(Exception):
    """An error answer of GitHub's API."""

    def __init__(self, status: int, message: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": str(status),
        }
        if errors:
            self.body["errors"] = errors


def answer_as_github(app: FastAPI) -> None:
    """Give refusals the body that GitHub gives them."""

    async def refuse(_: Request, refusal: Exception) -> JSONResponse:
        if not isinstance(refusal, Refusal):
            raise refusal
        return JSONResponse(refusal.body, refusal.status)

    app.add_exception_handler(Refusal, refuse)


def admitted(owner: str, repo: str, authorization: Annotated[str, Header()] = "") -> None:
    """Refuse a wrong token with 401, and a repository that the token does not reach with 404."""
    if not authorization:
        raise Refusal(401, "Requires authentication")
    scheme, _, token = authorization.partition(" ")
    right = hmac.compare_digest(token.encode(), os.environ["TICKET_TOKEN"].encode())
    if scheme.lower() not in {"bearer", "token"} or not right:
        raise Refusal(401, "Bad credentials")
    if f"{owner}/{repo}".lower() != os.environ["TICKET_REPOSITORY"].lower():
        raise Refusal(404, "Not Found")


router = APIRouter()
behind_token = APIRouter(prefix="/api/v3/repos/{owner}/{repo}/issues", dependencies=[Depends(admitted)])


async def asked_for(request: Request) -> dict[str, Any]:
    """Return the body of a request to create an issue, or refuse it."""
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "Body should be a JSON object")
    if "title" not in body:
        raise Refusal(422, 'Invalid request.\n\n"title" wasn\'t supplied.')
    if not isinstance(body["title"], str | int):
        raise Refusal(422, f"Invalid request.\n\nFor 'properties/title', {body['title']!r} is not a string.")
    if not str(body["title"]).strip():
        errors = [{"resource": "Issue", "code": "missing_field", "field": "title"}]
        raise Refusal(422, "Validation Failed", errors)
    if not isinstance(body.get("body"), str | None):
        raise Refusal(422, f"Invalid request.\n\nFor 'properties/body', {body['body']!r} is not a string.")
    labels = body.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise Refusal(422, f"Invalid request.\n\nFor 'properties/labels', {labels!r} is not an array of strings.")
    return body


@behind_token.post("", status_code=201)
async def create(request: Request, owner: str, repo: str) -> JSONResponse:
    """Keep a new issue and return it, with its address in the Location header."""
    wanted = await asked_for(request)
    number = len(kept) + 1
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    issue: Issue = {
        "id": 1_000_000 + number,
        "node_id": f"I_{number:06d}",
        "url": f"{request.base_url}api/v3/repos/{owner}/{repo}/issues/{number}",
        "html_url": f"{request.base_url}{owner}/{repo}/issues/{number}",
        "number": number,
        "state": "open",
        "state_reason": None,
        "title": str(wanted["title"]),
        "body": wanted.get("body"),
        "user": {"login": "rollback-runbook", "type": "Bot"},
        "labels": [{"name": name, "color": "ededed", "default": False} for name in wanted.get("labels") or []],
        "assignees": [],
        "comments": 0,
        "locked": False,
        "created_at": now,
        "updated_at": now,
        "closed_at": None,
    }
    kept.append(issue)
    return JSONResponse(issue, 201, {"Location": issue["url"]})


@behind_token.get("")
async def listing(
    request: Request,
    state: Literal["open", "closed", "all"] = "open",
    labels: str = "",
    per_page: Annotated[int, Query(ge=1)] = 30,
    page: Annotated[int, Query(ge=1)] = 1,
) -> JSONResponse:
    """Return the issues that carry all the labels, newest first, one page of at most 100."""
    per_page = min(per_page, 100)
    wanted = {name for name in labels.split(",") if name}
    found = [
        issue
        for issue in reversed(kept)
        if state in {"all", issue["state"]} and wanted <= {label["name"] for label in issue["labels"]}
    ]
    last = max(1, -(-len(found) // per_page))
    pages = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    links = [
        f'<{request.url.include_query_params(page=number)}>; rel="{name}"'
        for name, number in pages.items()
        if 1 <= number <= last and number != page
    ]
    headers = {"Link": ", ".join(links)} if links else {}
    return JSONResponse(found[(page - 1) * per_page : page * per_page], headers=headers)


def by_number(number: int) -> Issue:
    """Return an issue, or refuse with 404."""
    if not 1 <= number <= len(kept):
        raise Refusal(404, "Not Found")
    return kept[number - 1]


@behind_token.get("/{number}")
async def read(number: int) -> Issue:
    """Return one issue."""
    return by_number(number)


router.include_router(behind_token)


@router.get("/{_owner}/{_repo}/issues/{number}")
async def page_of(_owner: str, _repo: str, number: int) -> HTMLResponse:
    """Show one issue to a person who follows its html_url."""
    issue = by_number(number)
    title, body = html.escape(issue["title"]), html.escape(issue["body"] or "")
    labels = html.escape(", ".join(label["name"] for label in issue["labels"]))
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>#{number} {title}</title>'
        f"<h1>#{number} {title}</h1><p>{issue['state']}, {issue['created_at']}, {labels}</p>"
        f"<pre>{body}</pre></html>"
    )
