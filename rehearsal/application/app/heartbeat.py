"""The worker's heartbeat: a row for readiness, a file for the container's health check."""

from pathlib import Path

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import Heartbeat

FILE = Path("/tmp/heartbeat")  # noqa: S108 - the container's own, a tmpfs


def beat(session: Session) -> None:
    """Write the time of the database's clock into the worker's row."""
    now = func.clock_timestamp()
    statement = insert(Heartbeat).values(worker="totals", beaten_at=now)
    session.execute(statement.on_conflict_do_update(index_elements=["worker"], set_={"beaten_at": now}))


def touch() -> None:
    """Mark the file as new, once the row is committed."""
    FILE.touch()
