"""The verdicts of `judge` on the table of small migrations."""

from collections import Counter

import pytest

from runbook.migrations.verdict.findings import Verdict
from runbook.migrations.verdict.judge import judge
from tests.support.migrations_table import ROWS, Row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.verdict}: {row.name}")
def test_the_right_verdict(row: Row) -> None:
    """Every migration of the table gets the verdict that PostgreSQL's semantics require."""
    found = judge(row.sql, row.mapped)
    assert found.verdict == row.verdict, (row.why, [str(each) for each in found.findings])


@pytest.mark.parametrize("row", [row for row in ROWS if row.verdict != "unchanged"], ids=lambda row: row.name)
def test_every_verdict_rests_on_a_finding(row: Row) -> None:
    """The verdict is that of a finding, and each finding has its statement, object and reason."""
    found = judge(row.sql, row.mapped)
    assert any(each.verdict is found.verdict for each in found.findings)
    assert all(each.statement and each.object and each.reason for each in found.findings)


def test_without_models_nothing_gets_better() -> None:
    """Without models, a breaking or review migration stays breaking or review."""
    for row in ROWS:
        if row.models == "shop" and row.verdict in {"breaking", "review"}:
            assert judge(row.sql, None).verdict in {Verdict.BREAKING, Verdict.REVIEW}, row.name


def test_the_table_is_large_and_each_row_is_its_own() -> None:
    """The table has at least 90 rows with unique names, each with a reason."""
    assert len(ROWS) >= 90
    assert max(Counter(row.name for row in ROWS).values()) == 1
    assert all(row.why for row in ROWS)
