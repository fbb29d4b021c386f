"""The desk of the outside world: receives announcements and tickets, and keeps them in memory.

Announcements arrive as Apprise's JSON plugin sends them, with a name and a password. Tickets arrive as for
GitHub's REST API. Reads DESK_USER, DESK_PASSWORD, TICKET_TOKEN and TICKET_REPOSITORY.
"""

import hmac
import os
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, ConfigDict

import issues

app = FastAPI(title="desk", docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(issues.router)
issues.answer_as_github(app)

received: list[dict[str, object]] = []


class Announcement(BaseModel):
    """The body that Apprise's JSON plugin posts."""

    model_config = ConfigDict(extra="allow")

    version: str
    title: str
    message: str
    type: Literal["info", "success", "warning", "failure"]
    attachments: list[dict[str, str]] = []


def known_caller(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> None:
    """Answer 401 unless name and password are right."""
    right = (os.environ["DESK_USER"], os.environ["DESK_PASSWORD"])
    seen = (given.username, given.password)
    if not hmac.compare_digest("\n".join(seen).encode(), "\n".join(right).encode()):
        raise HTTPException(401, "wrong name or password", {"WWW-Authenticate": "Basic"})


@app.get("/healthz")
async def liveness() -> dict[str, str]:
    """Answer 200 while the process can answer."""
    return {"status": "ok"}


@app.post("/announcements", dependencies=[Depends(known_caller)])
async def announce(announcement: Announcement) -> dict[str, int]:
    """Keep an announcement with the time it arrived, and return how many there are."""
    received.append({**announcement.model_dump(), "received_at": datetime.now(UTC).isoformat()})
    return {"received": len(received)}


@app.get("/announcements")
async def announcements() -> list[dict[str, object]]:
    """Return all announcements, oldest first, to everybody: it is the channel that people read."""
    return received
