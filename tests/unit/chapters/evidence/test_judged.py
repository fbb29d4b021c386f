"""The verdict from several kinds of evidence: the worse counts, both are shown, and rows settle what they can."""

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


def judged(  # noqa: PLR0913 - one per kind of evidence
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    up: str | None,
    trial: TrialResult,
    rows: int | None = 0,
    *,
    written: tuple[str, ...] | None = None,
) -> evidence.Judged:
    """Judge `up` with this result of a trial, where every count of production's rows gives `rows`.

    `written` is all SQL in the source of the upgrade.
    """
    parts = context(folder, up)
    parts.incident.facts.failed_migrations["span"]["steps"][0]["upgrade"]["sql"] = written
    table = {"schema": None, "name": "orders", "columns": [ID]}
    parts.incident.facts.target_migrations["models"] = {"tables": [table]}

    class Database:
        """A database that only counts."""

        def ask(self, query: str, *, deadline: float) -> list[list[str]]:
            """Return the number of rows. Raises Inconclusive when it is unknown."""
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
    """Without a copy the SQL decides, and the record says that there was no trial."""
    found = judged(tmp_path, monkeypatch, ADDS, TrialResult(untried="no disk space"))
    assert (found.assessment.verdict, told(found)) == ("additive", [("additive", Source.SQL)])
    assert found.sources == ("judged only by the SQL; no trial on a copy of the schema: no disk space",)


def test_copy_in_the_place_of_sql_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the image gives no SQL, the SQL that the upgrade ran on the copy decides."""
    found = judged(tmp_path, monkeypatch, None, TrialResult(upgrade_sql=ADDS, passed=3))
    assert told(found) == [("additive", Source.COPY)]
    assert "no SQL could be read from the image; the SQL run on the copy decides: additive" in found.sources


def test_neither_sql_nor_copy_says_what_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the image gives no SQL and the downgrade failed on the copy, the verdict is review."""
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
    """If SQL and copy disagree, both findings are listed with a note; equal findings are listed once."""
    found = judged(tmp_path, monkeypatch, up, TrialResult(upgrade_sql=ran))
    assert found.assessment.verdict == verdict
    assert any("the worse counts" in each for each in found.sources) is (up != ran)
    assert len(found.assessment.findings) == (1 if up == ran else 2)
    assert {each.times for each in found.assessment.findings} == {1}


def test_what_postgres_refuses_is_breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement refused by PostgreSQL is breaking, in PostgreSQL's words; a doubtful refusal is for a human."""
    found = judged(tmp_path, monkeypatch, ADDS, TrialResult(upgrade_sql=ADDS, breaks=(GONE,)))
    assert found.assessment.verdict == "breaking"
    assert 'PostgreSQL says: column "number" does not exist' in found.assessment.evidence[0]
    found = judged(tmp_path / "again", monkeypatch, ADDS, TrialResult(upgrade_sql=ADDS, doubtful=(GONE,)))
    assert found.assessment.verdict == "review"


@pytest.mark.parametrize(
    ("written", "verdict"),
    [
        (None, "review"),
        ((), "additive"),
        (("SELECT id FROM orders", "ALTER TABLE orders ADD COLUMN discount integer"), "additive"),
        (("UPDATE orders SET discount = :d WHERE id = :id",), "additive"),
        (("INSERT INTO discounts VALUES (:d)",), "additive"),
        (("UPDATE orders SET note = :n",), "additive"),
        (("UPDATE orders SET id = :n WHERE id IS NULL",), "review"),
        (("INSERT INTO orders (id) VALUES (:n)",), "review"),
        (("DELETE FROM orders",), "review"),
        (("ALTER TABLE orders ADD COLUMN discount text",), "review"),
        (("ALTER TABLE orders DROP COLUMN id",), "breaking"),
        (("UPDATE {} SET x",), "review"),
    ],
)
def test_rows_that_the_migrations_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: tuple[str, ...] | None, verdict: str
) -> None:
    """Migrations that read rows are judged by all SQL in their source; if that is unknown, the verdict is review."""
    found = judged(tmp_path, monkeypatch, None, TrialResult(upgrade_sql=READS), written=written)
    assert found.assessment.verdict == verdict
    (read,) = (each for each in found.assessment.findings if each.object == "orders" and "read its rows" in each.reason)
    assert (read.verdict, read.source) == ("review" if written is None else "additive", Source.COPY)


def test_rows_that_the_migrations_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations that count the rows they changed are reported, because no log shows that."""
    parts = context(tmp_path, None)
    parts.incident.facts.failed_migrations["span"]["steps"][0]["upgrade"]["counts_rows"] = True
    monkeypatch.setattr(evidence, "_trial", lambda *_: TrialResult(upgrade_sql=ADDS))
    assert "count the rows they changed, and their effect depends" in "".join(
        evidence.judged(parts, SchemaCopy(parts)).assessment.evidence
    )


def test_what_the_source_has_counts_only_where_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQL that is only in the source does not count if the migrations read no rows."""
    found = judged(tmp_path, monkeypatch, None, TrialResult(upgrade_sql=ADDS), written=("DELETE FROM orders",))
    assert told(found) == [("additive", Source.COPY)]


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ((), "the downgrade restores the schema that the target was validated with"),
        (
            ("table public.a is new",),
            "does not restore the schema that the target was validated with: table public.a",
        ),
        (tuple("abcde"), "validated with: a; b; c; 2 more"),
    ],
)
def test_where_the_downgrade_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: tuple[str, ...], words: str
) -> None:
    """The schema after the downgrade is compared with the one of the target's validation; differences are listed."""
    found = judged(tmp_path, monkeypatch, ADDS, TrialResult(upgrade_sql=ADDS, apart=apart))
    assert any(words in each for each in found.sources)


@pytest.mark.parametrize(("rows", "verdict"), [(0, "additive"), (3, "review"), (None, "review")])
def test_rows_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int | None, verdict: str) -> None:
    """A foreign key that could block a delete is additive while no row uses it; without an answer it stays review."""
    found = judged(tmp_path, monkeypatch, POINTS, TrialResult(untried="no engine"), rows)
    assert found.assessment.verdict == verdict
    assert (Source.ROWS in {each.source for each in found.assessment.findings}) is (rows is not None)


DETACHES = "ALTER TABLE orders DETACH PARTITION orders_2027;"


@pytest.mark.parametrize(
    ("placed", "rows", "verdict"), [((), 0, "review"), (("public.orders_2027",), 0, "additive"), ((), 2, "breaking")]
)
def test_a_detached_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placed: tuple[str, ...], rows: int, verdict: str
) -> None:
    """Detaching an empty partition is additive only if others accept its rows; detaching one with rows is breaking."""
    trial = TrialResult(upgrade_sql=DETACHES, placed=frozenset(placed))
    assert judged(tmp_path, monkeypatch, DETACHES, trial, rows).assessment.verdict == verdict


@pytest.mark.parametrize(
    ("up", "trial", "ran"),
    [
        (None, TrialResult(upgrade_sql=ADDS, downgrade_sql="x"), {"upgrade_sql": ADDS, "downgrade_sql": "x"}),
        (ADDS, TrialResult(upgrade_sql=ODD, downgrade_sql="x"), {"downgrade_sql": "x"}),
        (None, TrialResult(upgrade_sql=READS), {}),
        (None, TrialResult(untried="no engine"), {}),
    ],
)
def test_what_ran_in_the_place_of_sql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up: str | None, trial: TrialResult, ran: dict[str, str]
) -> None:
    """SQL that ran on the copy is kept only if the image gave none and it reads no rows, which the copy lacks."""
    assert evidence.ran_instead(context(tmp_path, up), judged(tmp_path / "again", monkeypatch, up, trial)) == ran
