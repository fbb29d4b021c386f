"""The state of a database's rows at one moment: its time limits, and the result when there is no answer in time."""

from pathlib import Path
from typing import Any

import pytest

from runbook.errors import CommandTimedOut, Inconclusive, RunbookError
from runbook.incident.schema_facts import DatabaseState
from runbook.migrations.database import Database
from runbook.migrations.database_state import is_unchanged, read_state
from runbook.settings.database import DatabaseSettings
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import incident, production

HELD = [["snapshot", "800:800: of 5"], ["16390 public.orders", "2 1500"]]
TOO_LATE = Inconclusive("the database shop does not answer: canceling statement due to statement timeout", "look at it")


class Asked:
    """A database that records its queries and gives its answers in turn."""

    def __init__(self, *answers: list[list[str]] | RunbookError) -> None:
        self._answers = list(answers)
        self.queries: list[tuple[str, float | None]] = []

    def ask(self, query: str, *, deadline: float | None = None) -> list[list[str]]:
        self.queries.append((query, deadline))
        answer = self._answers.pop(0)
        if isinstance(answer, RunbookError):
            raise answer
        return answer


def database(*answers: list[list[str]] | RunbookError) -> Any:
    return Asked(*answers)


@pytest.mark.parametrize(("deadline", "seconds"), [(600, 540), (10.0, 9), (1, 1), (0.2, 1)])
def test_server_ends_the_query_before_its_deadline(deadline: float, seconds: int) -> None:
    """The timeouts for statements (below psql's deadline) and locks (2 s) are set before the first SELECT."""
    asked = database(HELD)
    assert read_state(asked, deadline).snapshot == "800:800: of 5"
    ((query, given),) = asked.queries
    assert given == deadline
    limits = f"SET LOCAL statement_timeout = '{seconds}s';\nSET LOCAL lock_timeout = '2s';"
    assert 0 < query.index("SET TRANSACTION") < query.index(limits) < query.index("SELECT")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(TOO_LATE, id="ended by the server"),
        pytest.param(
            CommandTimedOut("psql was stopped after 60 s", "look at the database"), id="stopped at its deadline"
        ),
        pytest.param([], id="no rows"),
        pytest.param([["snapshot"]], id="half a row"),
    ],
)
def test_database_that_does_not_tell_in_time_is_at_no_moment(answer: Any) -> None:
    """Without an answer in time the state is empty, and an empty state never counts as unchanged."""
    unknown = read_state(database(answer), 60)
    assert unknown == DatabaseState()
    asked = database()
    assert not is_unchanged(unknown, asked, 60)
    assert asked.queries == []


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([TOO_LATE], id="no snapshot"),
        pytest.param([[["900:900: of 5"]], TOO_LATE], id="moved, and the rows come too late"),
        pytest.param([[["900:900: of 5"]], [*HELD, ["16391 public.customers", "1 1"]]], id="moved, and other rows"),
        pytest.param([[], TOO_LATE], id="no answer"),
    ],
)
def test_moment_holds_only_where_the_database_says_so(answers: list[Any]) -> None:
    """A database that does not answer in time, or has other rows, counts as changed."""
    assert not is_unchanged(read_state(database(HELD), 60), database(*answers), 60)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([[["800:800: of 5"]]], id="same snapshot"),
        pytest.param([[["900:900: of 5"]], [["snapshot", "900:900: of 5"], *HELD[1:]]], id="moved, and the same rows"),
    ],
)
def test_moment_that_holds_still(answers: list[Any]) -> None:
    """The same snapshot is enough for unchanged; if the snapshot differs, the rows decide."""
    assert is_unchanged(read_state(database(HELD), 60), database(*answers), 60)


def test_query_that_hangs_is_stopped(tmp_path: Path) -> None:
    """A psql that never answers is stopped at the deadline, and the state is empty."""
    there = production(tmp_path, incident(tmp_path), engine=FakeEngine())
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    assert read_state(Database(there, DatabaseSettings(user="shop", name="shop")), 0.3) == DatabaseState()
    assert "stopped at its deadline of 0.3 s" in (tmp_path / "journal.jsonl").read_text()
