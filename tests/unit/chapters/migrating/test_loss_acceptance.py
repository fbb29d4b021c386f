"""The data loss of the strategy is accepted as it was named, and again if it becomes more."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.chapters.migrating import loss_acceptance
from runbook.incident.options import Options
from runbook.incident.schema_facts import VerdictFact
from runbook.migrations.image.report import Function, Migration, Problem, Shape, Span, Sql, to_json
from tests.support.image_parts import image, step
from tests.support.journal_schema import problems
from tests.unit.chapters.test_handle_migrations import Database, context

NOTE = "column orders.note: 2 rows hold values"


class Counted(Database):
    """A database in whose tables `rows` rows hold values in every column that is asked for."""

    def __init__(self, *revisions: str, rows: int = 2, columns: dict[str, set[str]] | None = None) -> None:
        super().__init__(*revisions, columns=columns or {"orders": {"note"}})
        self._rows = rows
        self.moment = "1"

    def ask(self, query: str, **_deadline: float) -> list[list[str]]:
        alone = query.startswith("SELECT txid")
        return [[self.moment]] if alone else [["snapshot", self.moment], ["16384 public.orders", self.moment]]

    def values_held(self, _table: str, columns: list[str]) -> dict[str, int]:
        return dict.fromkeys(["*", *columns], self._rows)


def again(parts: Any, database: Database, accept_loss: str | None = None) -> Any:
    """Resume the incident: recorded facts stay, and everything else is read again."""
    parts.database, parts.options = database, Options(accept_loss=accept_loss)
    return loss_acceptance.expected(parts).observe()


@pytest.mark.parametrize(("accepted", "ok"), [(None, False), ("r3", False), ("r1", False), ("r2", True)])
def test_loss_is_accepted_with_the_lowest_revision_only(tmp_path: Path, accepted: str | None, ok: bool) -> None:  # noqa: FBT001
    """Only the lowest undone revision accepts the loss, which is named and recorded in any case."""
    parts = context(tmp_path, options=Options(accept_loss=accepted))
    seen = loss_acceptance.expected(parts).observe()
    assert (seen.ok, seen.final) == (ok, True)
    assert NOTE in seen.seen
    assert parts.incident.facts.loss == (NOTE,)
    assert (parts.incident.facts.loss_accepted is not None) is ok


def test_what_was_accepted_counts_until_more_would_be_lost(tmp_path: Path) -> None:
    """An accepted loss needs no second acceptance; a larger or unknown one is named and must be accepted again."""
    parts = context(tmp_path, options=Options(accept_loss="r2"))
    assert loss_acceptance.expected(parts).observe().ok
    assert again(parts, Counted("r3")).ok
    assert again(parts, Counted("r3", rows=1)).ok
    more = again(parts, Counted("r3", rows=3))
    assert not more.ok
    assert "not accepted: more than was accepted in this incident: column orders.note: 3 rows hold values" in more.seen
    assert again(parts, Counted("r3", rows=3), accept_loss="r2").ok
    assert again(parts, Counted("r3", rows=3)).ok
    assert not again(parts, Counted("r3", columns={"orders": set()})).ok, "an unknown number is more than 3"


def test_behind_the_downgrade_nothing_is_left_to_accept(tmp_path: Path) -> None:
    """After the downgrade nothing needs acceptance, and the recorded loss stays."""
    parts = context(tmp_path, options=Options(accept_loss="r2"))
    loss_acceptance.expected(parts).observe()
    assert again(parts, Counted("r1", columns={"orders": {"id"}})).ok
    assert parts.incident.facts.loss == (NOTE,)


def test_downgrade_that_broke_off_between_two_revisions(tmp_path: Path) -> None:
    """After a partial downgrade only the rest is named; if the rest has no SQL of its own, the loss is unknown."""
    parts = context(tmp_path)
    failed = image("r1", "r2", "r3", steps=(step("r3"), step("r2")), down="DROP TABLE a; DROP TABLE b")
    told = replace(failed, downgrade=Sql("DROP TABLE a; DROP TABLE b", {"r3": "DROP TABLE a", "r2": "DROP TABLE b"}))
    parts.incident.record_fact("failed migrations", to_json(told))
    assert "table b:" in (seen := again(parts, Counted("r2", columns={"b": {"id"}})).seen)
    assert "table a" not in seen
    parts.incident.record_fact("failed migrations", to_json(failed))
    seen = again(parts, Counted("r2")).seen
    assert "unknown loss (the SQL could not be read" in seen


def test_forward_fix_that_broke_off_between_two_revisions(tmp_path: Path) -> None:
    """After a partial forward-fix only the loss of the remaining migrations is named."""
    parts = context(tmp_path)
    parts.incident.record_fact("strategy", "forward-fix")
    both = Sql("DROP TABLE a; DROP TABLE b", {"r4": "DROP TABLE a", "r5": "DROP TABLE b"})
    fix = replace(image("r3", "r4", "r5"), span=Span("r3", "r5", (step("r5"), step("r4"))), upgrade=both)
    parts.incident.record_fact("target migrations", to_json(fix))
    tables = {"a": {"id"}, "b": {"id"}}
    assert "table a" in again(parts, Counted("r3", columns=tables)).seen
    between = again(parts, Counted("r4", columns=tables)).seen
    assert "table a" not in between
    assert "table b" in between
    assert "not in the range" in again(parts, Counted("r9", columns=tables)).seen


@pytest.mark.parametrize("strategy", ["downgrade", "forward-fix"])
def test_sql_that_cannot_be_read_is_an_unknown_loss(tmp_path: Path, strategy: str) -> None:
    """SQL that cannot be read is an unknown loss, named with the reason, and can be accepted."""
    parts = context(tmp_path)
    parts.incident.record_fact("strategy", strategy)
    problems = [Problem("downgrade", "it asks the database"), Problem("upgrade", "it asks the database")]
    lacking = image("r1", "r2", "r3", steps=(step("r3"), step("r2")), problems=problems)
    parts.incident.record_fact("failed migrations", to_json(lacking))
    ahead = image("r3", "r4", steps=(step("r4"),), problems=problems)
    parts.incident.record_fact("target migrations", to_json(image("r1") if strategy == "downgrade" else ahead))
    token = "r2" if strategy == "downgrade" else "r4"
    assert "unknown loss (the SQL could not be read: it asks the database)" in again(parts, Counted("r3")).seen
    assert again(parts, Counted("r3"), accept_loss=token).ok


def test_what_the_downgrade_ran_on_a_copy_names_the_loss(tmp_path: Path) -> None:
    """The SQL that ran on a copy names the loss once the strategy is decided."""
    parts = context(tmp_path)
    told = [Problem("downgrade", "env.py refuses")]
    parts.incident.record_fact(
        "failed migrations", to_json(image("r1", "r2", "r3", steps=(step("r3"), step("r2")), problems=told))
    )
    verdict = VerdictFact(verdict="breaking", evidence=(), downgrade_sql="ALTER TABLE orders DROP COLUMN note;")
    parts.incident.record_fact("verdict", verdict)
    assert "unknown loss" in again(parts, Counted("r3")).seen
    parts.incident.record_fact("strategy", "downgrade")
    assert f"would be destroyed: {NOTE}; not accepted" in again(parts, Counted("r3")).seen
    assert problems(parts.incident.journal.path) == []


def test_unknown_loss_is_accepted_for_the_state_that_the_database_is_in(tmp_path: Path) -> None:
    """The acceptance of an unknown loss ends when the database is written to."""
    asks = Function(Shape.REAL, (), True, False)  # noqa: FBT003
    parts, then = context(tmp_path, Migration("r3", asks, asks), step("r2")), Counted("r3")
    assert again(parts, then, accept_loss="r2").ok
    assert parts.incident.facts.loss_accepted.state.snapshot
    assert problems(parts.incident.journal.path) == []
    assert again(parts, then).ok
    then.moment = "2"
    assert "more than was accepted in this incident: unknown loss" in again(parts, then).seen


def test_migration_that_asks_the_database_may_do_more(tmp_path: Path) -> None:
    """A downgrade that queries the database is an unknown loss, because it may do more than its SQL."""
    asks = Function(Shape.REAL, (), True, False)  # noqa: FBT003
    parts = context(tmp_path, Migration("r3", asks, asks), step("r2"))
    assert "unknown loss (downgrade() of r3 may do more" in loss_acceptance.expected(parts).observe().seen


@pytest.mark.parametrize(
    ("sql", "accepted", "ok"),
    [
        pytest.param("ALTER TABLE orders ADD COLUMN x int", None, True, id="nothing to accept"),
        pytest.param("ALTER TABLE orders DROP COLUMN note", None, False, id="not accepted"),
        pytest.param("ALTER TABLE orders DROP COLUMN note", "r4", True, id="accepted by its head"),
        pytest.param("DO $$ BEGIN NULL; END $$", None, False, id="unknown"),
    ],
)
def test_forward_fix_is_asked_in_the_same_way(tmp_path: Path, sql: str, accepted: str | None, ok: bool) -> None:  # noqa: FBT001
    """The loss from a forward-fix's upgrade must be accepted like that of a downgrade."""
    parts = context(tmp_path, options=Options(accept_loss=accepted))
    parts.incident.record_fact("strategy", "forward-fix")
    fix = replace(image("r3", "r4", up=sql), span=Span("r3", "r4", (step("r4"),)))
    parts.incident.record_fact("target migrations", to_json(fix))
    assert loss_acceptance.expected(parts).observe().ok is ok
