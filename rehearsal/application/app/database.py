"""Sessions with the database that DATABASE_URL names."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Annotated

from fastapi import Depends
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session


@cache
def engine() -> Engine:
    """Return this process's connection pool; it connects when first used, and gives up after 2 seconds.

    Who waits for a connection of its gives up after 14: all that a gateway held back come at once.
    """
    return create_engine(
        os.environ["DATABASE_URL"],
        pool_pre_ping=True,
        pool_timeout=14,
        connect_args={"connect_timeout": 2, "options": "-c statement_timeout=5000"},
    )


def session() -> Iterator[Session]:
    """Yield a session for one request; what was not committed is rolled back."""
    with Session(engine()) as opened:
        yield opened


DatabaseSession = Annotated[Session, Depends(session)]
