"""The migrations of `labelled_migrations.txt` with their right answers, and the score of verdicts on them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runbook.migrations.verdict.findings import Verdict
from tests.support.migrations_table import MODELS, Row


def _read() -> list[Row]:
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    parts = [[part.strip() for part in line.split(" | ")] for line in lines if not line.startswith("#")]
    rows = [Row(sql, verdict, sql, why, *more) for verdict, sql, why, *more in parts]
    assert {row.verdict for row in rows} == {"additive", "breaking"}
    assert {row.models for row in rows} <= MODELS.keys()
    return rows


LABELLED = _read()


@dataclass(frozen=True)
class Score:
    """The score of verdicts. `recall` is for breaking migrations; `review` is the share that was left to a person."""

    silent: tuple[str, ...]  # breaking ones called additive
    alarms: tuple[str, ...]  # additive ones called breaking
    precision: float
    recall: float
    review: float
    undecided: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.silent)} silent mistakes, {len(self.alarms)} false alarms, precision {self.precision:.3f}, "
            f"recall of breaking {self.recall:.3f}, review {self.review:.1%}"
        )


def score(found: Iterable[tuple[Row, Verdict]]) -> Score:
    """Compare each row's verdict with the right one."""
    pairs = list(found)
    said = [row for row, verdict in pairs if verdict is Verdict.BREAKING]
    right = [row for row in said if row.verdict == "breaking"]
    breaking = [row for row, _ in pairs if row.verdict == "breaking"]
    let_through = {Verdict.ADDITIVE, Verdict.UNCHANGED}
    undecided = tuple(row.sql for row, verdict in pairs if verdict is Verdict.REVIEW)
    return Score(
        silent=tuple(row.sql for row, verdict in pairs if verdict in let_through and row.verdict == "breaking"),
        alarms=tuple(row.sql for row in said if row.verdict != "breaking"),
        precision=len(right) / len(said),
        recall=len(right) / len(breaking),
        review=len(undecided) / len(pairs),
        undecided=undecided,
    )
