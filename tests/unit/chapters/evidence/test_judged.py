"""The verdict from several kinds of evidence: the worse counts, both are shown, and rows decide where they can."""

from pathlib import Path
from typing import Any

import pytest

from runbook.chapters.evidence import judged as evidence
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.evidence.schema_trial import TrialResult
from runbook.errors import Inconclusive
from runbook.migrations.model_statements import CodeStatement, Refused
from runbook.migrations.verdict.findings import Source
from tests.support.migrations_table import column
from tests.unit.chapters.test_strategy import ADDS, ODD, context

SELECT = CodeStatement("SELECT of orders", "orders", 'SELECT "number" FROM "orders" LIMIT 0')
GONE = Refused(SELECT, "42703", 'column "number" does not exist')
ID = column("id", "INTEGER", primary_key=True, server_default=True, client_default=False, labels=None)
READS = "SELECT id FROM orders; ALTER TABLE orders ADD COLUMN discount integer;"
POINTS = "CREATE TABLE lines (id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders (id));"


def judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, up: str | None, trial: TrialResult, rows: int | None = 0
) -> evidence.Judged:
    """Judge `up` beside what a trial says, where production has `rows` of whatever is asked for."""
    parts = context(folder, up)
    table = {"schema": None, "name": "orders", "columns": [ID]}
    parts.incident.facts.target_migrations["models"] = {"tables": [table]}

    class Database:
        """A database that only counts."""

        def ask(self, query: str, *, deadline: float) -> list[list[str]]:
            """The number of rows. Raises Inconclusive when it is not known."""
            assert "SET TRANSACTION READ ONLY" in query
            assert deadline
            if rows is None:
                raise Inconclusive("the database does not answer", "")
            return [[str(rows)]]

    parts.database = Database()
    monkeypatch.setattr(evidence, "_trial", lambda *_: trial)
    return evidence.judged(parts, SchemaCopy(parts))


def told(found: evidence.Judged) -> list[tuple[str, Any]]:
    return [(each.verdict, each.source) for each in found.assessment.findings]


def test_copy_that_could_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SQL decides as it did, and the record says that there was nothing else."""
    found = judged(tmp_path, monkeypatch, ADDS, TrialResult(untried="no disk space"))
    assert (found.assessment.verdict, told(found)) == ("additive", [("additive", Source.SQL)])
    assert found.sources == (
        "judged by the SQL alone, for there was no copy of the schema to try it on: no disk space",
    )


def test_copy_in_the_place_of_sql_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the upgrade ran decides, and no question is left."""
    found = judged(tmp_path, monkeypatch, None, TrialResult(upgrade_sql=ADDS, passed=3))
    assert told(found) == [("additive", Source.COPY)]
    assert "no SQL could be read from the image; what the upgrade ran on the copy decides: additive" in found.sources


def test_neither_sql_nor_copy_says_what_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy on which the way back failed saw no upgrade: the SQL is still missing."""
    why = "the downgrade to r1 changes nothing"
    found = judged(tmp_path, monkeypatch, None, TrialResult(no_way_back=why, leads_nowhere=True))
    assert told(found) == [("review", Source.NOTHING)]
    assert found.no_way_back == why
    found = judged(tmp_path / "again", monkeypatch, None, TrialResult(no_way_back="it ended with exit code 1"))
    assert found.no_way_back == ""
    assert any("the downgrade does not lead back: it ended with exit code 1" in each for each in found.sources)


@pytest.mark.parametrize(
    ("up", "ran", "verdict"),
    [(ADDS, "DROP TABLE orders;", "breaking"), (ODD, ADDS, "review"), (ADDS, ODD, "review"), (ADDS, ADDS, "additive")],
)
def test_the_worse_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up: str, ran: str, verdict: str) -> None:
    """Where SQL and copy disagree both are among the findings, and it is said; the same is told once."""
    found = judged(tmp_path, monkeypatch, up, TrialResult(upgrade_sql=ran))
    assert found.assessment.verdict == verdict
    assert any("the worse counts" in each for each in found.sources) is (up != ran)
    assert len(found.assessment.findings) == (1 if up == ran else 2)
    assert {each.times for each in found.assessment.findings} == {1}


def test_what_postgres_refuses_is_breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PostgreSQL's own words, whatever the SQL says; a refusal that proves nothing is for a human."""
    found = judged(tmp_path, monkeypatch, ADDS, TrialResult(upgrade_sql=ADDS, breaks=(GONE,)))
    assert found.assessment.verdict == "breaking"
    assert 'PostgreSQL says: column "number" does not exist' in found.assessment.evidence[0]
    found = judged(tmp_path / "again", monkeypatch, ADDS, TrialResult(upgrade_sql=ADDS, doubtful=(GONE,)))
    assert found.assessment.verdict == "review"


def test_rows_that_the_migrations_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a copy without rows a loop over them does nothing: what it would have done is not known."""
    found = judged(tmp_path, monkeypatch, None, TrialResult(upgrade_sql=READS))
    assert found.assessment.verdict == "review"


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ((), "the downgrade leads to the schema that the target was validated with"),
        (
            ("table public.a is new",),
            "it is not the schema that the target was validated with: table public.a",
        ),
        (tuple("abcde"), "validated with: a; b; c; 2 more"),
    ],
)
def test_where_the_downgrade_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: tuple[str, ...], words: str
) -> None:
    """The schema of the ledger's release snapshot is what the target ran on; what differs from it is told."""
    found = judged(tmp_path, monkeypatch, ADDS, TrialResult(upgrade_sql=ADDS, apart=apart))
    assert any(words in each for each in found.sources)


@pytest.mark.parametrize(("rows", "verdict"), [(0, "additive"), (3, "review"), (None, "review")])
def test_rows_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int | None, verdict: str) -> None:
    """A key that could block a delete blocks none as long as no row points there; without an answer it stays open."""
    found = judged(tmp_path, monkeypatch, POINTS, TrialResult(untried="no engine"), rows)
    assert found.assessment.verdict == verdict
    assert (Source.ROWS in {each.source for each in found.assessment.findings}) is (rows is not None)
