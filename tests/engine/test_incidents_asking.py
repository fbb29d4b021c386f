"""Incidents whose migrations query the database: their effect is observed on a copy of the schema, and decided."""

from rehearsal.incidents.catalogue import NEW_CUSTOMERS
from rehearsal.incidents.database import columns, rows, sql, tables
from runbook.migrations.verdict.findings import Source, Verdict
from tests.engine.conftest import Ran, Rehearsed, running, state
from tests.engine.judging import Scene, page, planned_and_executed, words

LIVE = "2025-12-15-rc1"


def decided(ran: Ran, verdict: Verdict) -> list[dict[str, str]]:
    """Return the findings of a verdict that the evidence decided, without a person."""
    assert ran.fact("verdict")["verdict"] == verdict
    (found,) = (entry for entry in ran.of_kind("decision") if entry["question"] == "verdict")
    assert "option" not in found
    return list(found["findings"])


def no_sql_was_read(ran: Ran, verdict: Verdict) -> None:
    """The image gave no SQL, and the SQL that the upgrade ran on the copy was used instead."""
    assert ran.fact("failed migrations")["upgrade"]["sql"] is None
    told = f"no SQL could be read from the image; the SQL run on the copy decides: {verdict}"
    assert told in ran.fact("verdict")["evidence"]
    assert told in page(ran)


def runs(here: Rehearsed, tag: str) -> None:
    """Assert that production runs a release, and that customers can order from it."""
    assert (running(here, "api"), running(here, "jobs")) == (tag, tag)
    order = {"customer": "Ada", "item": "mug", "quantity": 1, "currency": "EUR"}
    answer = here.practice.post("/orders", order)
    assert (answer.status_code, answer.headers["X-Release"]) == (201, tag)


class TestAskingMigration:
    """The upgrade inspects the schema, and counts orders before it writes a code to some of them."""

    incident = "asking-migration"

    def test_only_the_image_goes_back(self, scene: Scene) -> None:
        """Everything that the upgrade can write is unknown to the target: schema and rows stay."""
        here, left = scene
        before, coded = state(here), rows(here.practice, "orders", ["id", "discount"])
        assert sql(here.practice, "SELECT code FROM discounts") == ["THANKS"]
        ran = planned_and_executed(
            here, self.incident, "migrations additive → image-only schema stays at 0004_discounts"
        )
        no_sql_was_read(ran, Verdict.ADDITIVE)
        assert {each["source"] for each in decided(ran, Verdict.ADDITIVE)} == {Source.COPY}
        assert "the migrations read its rows; all SQL that they might run was judged" in page(ran)

        now = state(here)
        for same in ("revision", "schema", "orders", "gate"):
            assert now[same] == before[same], same
        assert left.content_now(here.practice) == left.content
        assert rows(here.practice, "orders", ["id", "discount"]) == coded
        assert sum("THANKS" in each for each in coded) == 6
        runs(here, LIVE)


class TestOfflineRefused:
    """The env.py raises when it should write SQL, and so does that of the release before."""

    incident = "offline-refused"

    def test_held_without_acceptance(self, scene: Scene) -> None:
        """The loss is named and counted, from what the downgrade ran on the copy. None of it is unknown."""
        here, _ = scene
        before = state(here)
        plan = here.run()
        assert plan.exit_code == 6, plan.terminal
        assert state(here) == before
        assert sorted(plan.fact("loss")) == [
            f"column orders.customer_id: {len(rows(here.practice, 'orders'))} rows hold values",
            "column orders.note: 2 rows hold values",
            f"table customers: {len(rows(here.practice, 'customers'))} rows hold values",
        ]
        assert "unknown loss" not in words(plan)

    def test_rolled_back(self, scene: Scene) -> None:
        """Breaking by what ran on the copy and by the target's statements there. Rows from before are unchanged."""
        here, left = scene
        ran = planned_and_executed(here, self.incident, "~ schema 0004_customers → 0003_heartbeats")
        no_sql_was_read(ran, Verdict.BREAKING)
        for asked in ("failed migrations", "target migrations"):
            told = ran.fact(asked)["problems"]
            assert all("offline migrations are not supported" in each["why"] for each in told)
        breaking = [each for each in decided(ran, Verdict.BREAKING) if each["verdict"] == Verdict.BREAKING]
        assert {each["source"] for each in breaking} == {Source.COPY, Source.MODELS}
        assert any('column "quantity" of relation "orders" does not exist' in each["rule"] for each in breaking)

        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0003_heartbeats"]
        assert tuple(columns(here.practice, "orders")) == left.columns
        assert "customers" not in tables(here.practice)
        assert left.content_now(here.practice) == left.content
        kept = ran.fact("kept rows")
        assert set(kept["kept"]) == {"table customers", "orders.note, customer_id"}
        text = (here.practice.server / ".runbook" / kept["path"].rpartition("/")[2]).read_text()
        assert all(str(order["customer"]) in text for order in NEW_CUSTOMERS)
        runs(here, "2025-12-17-rc1")


class TestPartitioned:
    """A partition of a mapped table was detached, and others now take its rows."""

    incident = "partitioned"

    def test_only_the_image_goes_back(self, scene: Scene) -> None:
        """The partition was empty, and each row that the target may write has a place: schema and rows stay."""
        here, left = scene
        before, totals = state(here), rows(here.practice, "daily_totals")
        assert totals
        recovery = "migrations additive → image-only schema stays at 0005_totals_by_quarter"
        ran = planned_and_executed(here, self.incident, recovery)
        found = decided(ran, Verdict.ADDITIVE)
        (detached,) = (each for each in found if "DETACH PARTITION" in each["sql"])
        assert detached["source"] == Source.ROWS
        assert "other partitions accept all of its rows; production has no such row now" in detached["rule"]

        now = state(here)
        for same in ("revision", "schema", "orders", "gate"):
            assert now[same] == before[same], same
        assert left.content_now(here.practice) == left.content
        assert rows(here.practice, "daily_totals") == totals
        runs(here, "2025-12-17-rc2")
