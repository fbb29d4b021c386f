"""Liveness and readiness."""

import logging
from datetime import timedelta
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Response
from sqlalchemy import exists, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.database import engine
from app.models import Heartbeat
from app.settings import SETTINGS

HEARTBEAT_LIMIT = timedelta(seconds=5)

log = logging.getLogger(__name__)
router = APIRouter()


@cache
def expected_revision() -> str:
    """Return the head of this image's migrations; several heads are joined with commas."""
    config = Config(Path(__file__).parent.parent / "alembic.ini")
    return ",".join(sorted(ScriptDirectory.from_config(config).get_heads()))


def schema_revision(session: Session) -> str | None:
    """Return the revision that the database is at, or None for one that was never migrated."""
    heads = MigrationContext.configure(session.connection()).get_current_heads()
    return ",".join(sorted(heads)) or None


def jobs_run(session: Session) -> bool:
    """Tell whether a worker finished its work within the last 5 seconds, by the database's clock."""
    fresh = exists().where(Heartbeat.beaten_at > func.clock_timestamp() - HEARTBEAT_LIMIT)
    return bool(session.scalar(select(fresh)))


@router.get("/healthz")
async def liveness() -> dict[str, str]:
    """Answer as long as the process can; asks nothing of anybody else."""
    return {"status": "ok"}


@router.get("/readyz")
def readiness(response: Response) -> dict[str, object]:
    """Answer 200 when the database, the jobs and the schema are as this release needs them, else 503."""
    database = jobs = False
    revision: str | None = None
    with Session(engine()) as session:
        try:
            revision = schema_revision(session)
            database = True
            jobs = jobs_run(session)
        except SQLAlchemyError as error:
            log.warning("readiness: %s", str(error.__cause__ or error).splitlines()[0])
    migrations_current = database and revision == expected_revision()
    ready = database and jobs and migrations_current
    response.status_code = 200 if ready else 503
    return {
        "ready": ready,
        "database": database,
        "jobs": jobs,
        "migrations_current": migrations_current,
        "schema_revision": revision,
        "expected_revision": expected_revision(),
        "release": SETTINGS.release,
    }
