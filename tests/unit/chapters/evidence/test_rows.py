"""Findings that are settled by production's rows, or by the target's statements on a copy of the schema."""

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.evidence.rows import asked, settled_on_copy
from runbook.errors import Inconclusive
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Asks, Finding, Source, Verdict


def judged(asks: Asks, *counts: int | None) -> Finding:
    """Return the finding after production has answered with these numbers of rows, in turn."""
    left = list(counts)

    def ask(query: str, **_: Any) -> list[list[str]]:
        assert query.startswith("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout")
        rows = left.pop(0)
        if rows is None:
            raise Inconclusive("no answer", "")
        return [[str(rows)]]

    context: Any = SimpleNamespace(database=SimpleNamespace(ask=ask))
    (found,) = asked(context, [Finding(REVIEW, "s", "o", "why", asks=asks)])
    assert not left
    return found


@pytest.mark.parametrize(
    ("asks", "counts", "verdict"),
    [
        (Asks("t", "c"), (0,), ADDITIVE),
        (Asks("t", "c"), (2,), REVIEW),
        (Asks("t", "c", values=("a'b",), some=BREAKING), (2,), BREAKING),
        (Asks("t", "c", numbers=True, some=BREAKING), (1000,), BREAKING),
        (Asks("t", check="c > 0", none=REVIEW, some=BREAKING), (0,), REVIEW),
        (Asks("t", check="c > 0", none=REVIEW, some=BREAKING, practice=True), (0, 999), REVIEW),
        (Asks("t", check="c > 0", none=REVIEW, some=BREAKING, practice=True), (0, 1000), ADDITIVE),
        (Asks("t", check="c > 0", none=REVIEW, some=BREAKING, practice=True), (3,), BREAKING),
        (Asks("t", "c", some=BREAKING), (None,), REVIEW),
    ],
)
def test_rows_decide(asks: Asks, counts: tuple[int | None, ...], verdict: Verdict) -> None:
    """Without an answer the finding stays review; few rows that meet a rule prove nothing, 1000 or more do."""
    found = judged(asks, *counts)
    assert found.verdict is verdict
    assert (found.source is Source.ROWS) is (verdict is not REVIEW or counts == (2,))


@pytest.mark.parametrize(
    ("asks", "taken", "verdict"),
    [
        (Asks("t", copy=True), {"t"}, ADDITIVE),
        (Asks("t", schema="s", copy=True), {"t"}, REVIEW),
        (Asks("t", schema="s", copy=True), {"s.t"}, ADDITIVE),
        (Asks(copy=True), {"t"}, REVIEW),
        (Asks(copy=True), {"t", "s.t"}, ADDITIVE),
        (Asks("t"), {"t"}, REVIEW),
    ],
)
def test_a_copy_decides(asks: Asks, taken: set[str], verdict: Verdict) -> None:
    """The copy settles findings that depend on one table's statements, or on all; rows are not queried for these."""
    findings = [Finding(REVIEW, "s", "o", "why", asks=asks)]
    (found,) = settled_on_copy(findings, frozenset(taken), frozenset({"t", "s.t"}))
    assert found.verdict is verdict
    nobody: Any = SimpleNamespace()
    assert not asks.copy or asked(nobody, [found]) == [found]


@pytest.mark.parametrize(
    ("schema", "placed", "rows", "verdict"),
    [
        (None, {"public.t"}, 0, ADDITIVE),
        (None, {"public.t"}, 3, BREAKING),
        ("s", {"public.t"}, 0, REVIEW),
        (None, set(), 0, REVIEW),
    ],
)
def test_a_partition_is_missed_or_not(schema: str | None, placed: set[str], rows: int, verdict: Verdict) -> None:
    """If other partitions accept all its rows, a detached partition is breaking only if it had rows."""
    asks = Asks("t", schema=schema, check="false", none=REVIEW, some=BREAKING, part=True)
    finding = Finding(REVIEW, "s", "o", "why", asks=asks)
    (found,) = settled_on_copy([finding], frozenset({"t"}), frozenset({"t"}), frozenset(placed))
    assert found.asks is not None
    assert judged(found.asks, rows).verdict is verdict
    assert ("other partitions accept all of its rows" in found.reason) is (schema is None and bool(placed))
