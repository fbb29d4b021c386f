"""The quality of verdicts from SQL only, on migrations as real projects write them."""

import pytest

from runbook.migrations.verdict.judge import judge
from tests.support.labelled_migrations import LABELLED, score
from tests.support.migrations_table import Row
from tests.support.project_migrations import PROJECTS


@pytest.mark.parametrize(("rows", "least"), [(LABELLED, 0.87), (PROJECTS, 0.75)], ids=["shop", "projects"])
def test_the_sql_alone(rows: list[Row], least: float) -> None:
    """No breaking migration passes, no alarm is false, and at most a quarter is left for review."""
    assert len(LABELLED) >= 150
    found = score((row, judge(row.sql, row.mapped).verdict) for row in rows)
    assert found.silent == ()
    assert found.alarms == ()
    assert found.recall >= least, found
    assert found.review <= 0.25, (str(found), found.undecided)
