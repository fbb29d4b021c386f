"""Incidents that end on another release, checked with the engine, the database and HTTP instead of the record."""

import hashlib
import os
import subprocess

from rehearsal.env_file import set_tag
from rehearsal.incidents.catalogue import NEW_CUSTOMERS
from rehearsal.incidents.database import columns, restore, rows, sql, tables
from runbook.incident.schema_facts import RestoreStep
from runbook.journal.verify import verify
from runbook.report.follow_up.follow_ups import follow_ups
from runbook.settings.loading.loader import load
from tests.engine.conftest import Rehearsed, docker, running, state
from tests.engine.judging import Scene, fits_on_one_screen, held, page, planned_and_executed, told, words
from tests.support.same_commands import commands

LIVE = "2025-12-15-rc1"


class TestBreakingMigration:
    """One column was renamed and one dropped, and the failed release wrote rows that only it understands."""

    incident = "breaking-migration"

    def test_plan_changes_nothing(self, scene: Scene) -> None:
        """A plan shows the dump and the downgrade with the failed image, and changes nothing."""
        here, _ = scene
        before = state(here)
        plan = here.run("--accept-loss", "0004_customers")
        assert plan.exit_code == 0, plan.terminal
        assert state(here) == before
        planned = "\n".join(commands(plan.entries))
        assert "IMAGE_TAG=2025-12-20-rc1 docker compose" in planned
        assert "downgrade 0003_heartbeats" in planned
        assert "pg_dump" in planned
        assert fits_on_one_screen(plan, 35)
        seen = words(plan)
        assert f"--accept-loss 0004_customers --execute {here.practice.name}" in seen

    def test_held_without_acceptance(self, scene: Scene) -> None:
        """Without --accept-loss the run is held, and the tables, columns and rows that would be lost are named."""
        here, _ = scene
        before = state(here)
        ran = here.run("--execute", here.practice.name)
        planned = here.run()
        assert planned.exit_code == 6, planned.terminal
        assert "DECISION NEEDED, nothing was changed" in planned.terminal
        assert fits_on_one_screen(planned, 35)
        assert "downgrade 0003_heartbeats" in "\n".join(commands(planned.entries))
        customers = sql(here.practice, "SELECT count(*) FROM customers")[0]
        orders = sql(here.practice, "SELECT count(*) FROM orders")[0]
        held(
            here,
            before,
            ran,
            "column orders.note: 2 rows hold values",
            f"column orders.customer_id: {orders} rows hold values",
            f"table customers: {customers} rows hold values",
            "--accept-loss 0004_customers",
        )
        assert "Production is held as it is" in page(ran)

    def test_held_with_another_revision(self, scene: Scene) -> None:
        """--accept-loss with a revision other than the lowest one undone accepts nothing."""
        here, _ = scene
        before = state(here)
        held(
            here, before, here.run("--accept-loss", "0003_heartbeats", "--execute", here.practice.name), "not accepted"
        )

    def test_rolled_back(self, scene: Scene) -> None:
        """Rows from before are unchanged, those of the failed release are in a restore point that can be restored."""
        here, left = scene
        others = {name: i for name, i in here.ids().items() if "-api-" not in name and "-jobs-" not in name}
        held_by_failed = rows(here.practice, "orders", where=f"NOT ({left.before})")
        assert len(held_by_failed) == len(NEW_CUSTOMERS) == len(left.placed)
        ran = planned_and_executed(here, self.incident, "~ schema 0004_customers → 0003_heartbeats")

        assert (running(here, "api"), running(here, "jobs")) == (LIVE, LIVE)
        assert others.items() <= here.ids().items()
        assert here.ids().keys() - others.keys() == {f"{here.practice.name}-{s}-1" for s in ("api", "jobs")}
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0003_heartbeats"]
        assert tuple(columns(here.practice, "orders")) == left.columns
        assert "customers" not in tables(here.practice)
        assert left.content_now(here.practice) == left.content
        ready = here.practice.ask("/readyz")
        assert (ready.status_code, ready.json()["migrations_current"]) == (200, True)
        order = {"customer": "Ada", "item": "mug", "quantity": 1, "currency": "EUR"}
        answer = here.practice.post("/orders", order)
        assert (answer.status_code, answer.headers["X-Release"]) == (201, LIVE)

        dumps = list((here.practice.server / ".runbook").glob("*.dump"))
        assert len(dumps) == 1
        digest = hashlib.sha256(dumps[0].read_bytes()).hexdigest()
        assert dumps[0].stat().st_mode & 0o777 == 0o600
        assert docker("exec", f"{here.practice.name}-db-1", "sh", "-c", "ls /tmp").count(".dump") == 0
        restore(here.practice, dumps[0], "restored")
        assert rows(here.practice, "orders", where=f"NOT ({left.before})", database="restored") == held_by_failed
        names = rows(here.practice, "customers", ["name"], database="restored")
        assert {str(order["customer"]) for order in NEW_CUSTOMERS} <= set(names)
        assert sql(here.practice, "SELECT version_num FROM alembic_version", database="restored") == ["0004_customers"]

        announced, ticket = told(here)
        for text in (announced, ticket, page(ran)):
            assert str(dumps[0]) in text
            assert digest in text
            assert str(dumps[0].stat().st_size) in text
        assert "downgraded to 0003_heartbeats" in announced
        assert "Reconcile the data drift" in ticket
        assert ran.fact("restore point")["sha256"] == digest
        assert "Over: production runs 2025-12-15-rc1 again" in page(ran)

    def test_restore_point_comes_back_as_the_record_says(self, scene: Scene) -> None:
        """The commands on record, typed unchanged, restore the dump: beside the live database, then in its place."""
        here, left = scene
        journal = max(here.reports.glob("*-rollback/journal.jsonl"))
        (point,) = follow_ups(verify(journal).entries).restore_points
        live = {table: rows(here.practice, table) for table in ("orders", "alembic_version")}
        typed(here, *point.restore.beside)
        assert {table: rows(here.practice, table) for table in live} == live
        names = rows(here.practice, "customers", ["name"], database="shop_restored")
        assert {str(order["customer"]) for order in NEW_CUSTOMERS} <= set(names)

        failed = "2025-12-20-rc1"
        (naming,) = (step for step in point.restore.instead if failed in step.why)
        assert "0004_customers" in naming.why
        set_tag(here.env_file, failed)
        typed(here, *point.restore.instead)
        here.practice.wait_ready(failed)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0004_customers"]
        assert {order["id"] for order in left.placed} <= {order["id"] for order in here.practice.ask("/orders").json()}
        aside = {table: rows(here.practice, table, database="shop_before_restore") for table in live}
        assert aside == live


def typed(here: Rehearsed, *steps: RestoreStep) -> None:
    """Type the commands of a how-to one after the other in one shell, as a person on the production host would."""
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(step.command for step in steps)],
        stdin=subprocess.DEVNULL,
        env=os.environ | load(here.practice.settings).host.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class TestAdditiveMigration:
    """A nullable column and a table, which stay while the image goes back."""

    incident = "additive-migration"

    def test_only_the_image_goes_back(self, scene: Scene) -> None:
        """The target serves users on the newer schema. Neither the schema nor its rows have changed."""
        here, left = scene
        before = state(here)
        recovery = "migrations additive → image-only schema stays at 0004_discounts"
        ran = planned_and_executed(here, self.incident, recovery)
        now = state(here)
        for same in ("revision", "schema", "orders", "gate"):
            assert now[same] == before[same], same
        assert left.content_now(here.practice) == left.content
        assert (running(here, "api"), running(here, "jobs")) == (LIVE, LIVE)
        assert here.practice.ask("/orders").status_code == 200
        said = here.practice.ask("/readyz")
        assert (said.status_code, said.json()["migrations_current"], said.json()["jobs"]) == (503, False, True)
        assert "all but ready, migrations_current" in page(ran)
        assert "The schema stays at 0004_discounts" in told(here)[0]

    def test_post_deploy_judges_readiness_by_the_same_rule(self, scene: Scene) -> None:
        """CI's validation passes afterwards, because the ledger says that this release passed with this schema."""
        here, _ = scene
        assert running(here, "api") == LIVE
        validated = here.run("-m", "post_deploy")
        assert validated.exit_code == 0, validated.terminal
        assert "all but ready, migrations_current" in page(validated)

    def test_post_deploy_is_strict_without_that_evidence(self, scene: Scene) -> None:
        """The same answer does not pass without evidence that the release works with the newer schema."""
        here, _ = scene
        ledger = here.practice.server / ".runbook/known_good.jsonl"
        kept = ledger.read_text()
        ledger.write_text("".join(line for line in kept.splitlines(keepends=True) if "0004_discounts" not in line))
        settings = here.reports.parent / "runbook.toml"
        settings.write_text(here.practice.settings.read_text() + "healthy = 8\n")
        try:
            validated = here.run("-m", "post_deploy", settings=settings)
        finally:
            ledger.write_text(kept)
        assert validated.exit_code == 1
        assert "expected every api container ready; seen" in words(validated)
        assert "no evidence that the code works with this schema" in page(validated)


class TestForwardFix:
    """A release that repairs the failed one's migration is in the registry."""

    incident = "forward-fix"

    def test_migrations_that_do_not_continue(self, scene: Scene) -> None:
        """A forward-fix whose migrations do not continue the database's revision is refused, and nothing changes."""
        here, _ = scene
        here.practice.publish("2025-12-19-rc1")
        before = state(here)
        ran = here.run("--forward-fix", "2025-12-19-rc1", "--execute", here.practice.name)
        held(here, before, ran, "do not continue the database's revision 0004_customers")

    def test_went_forward(self, scene: Scene) -> None:
        """The schema moves forward, all rows stay, and known customers can order again."""
        here, left = scene
        fix = "2025-12-20-rc2"
        orders = here.practice.ask("/orders").json()
        ran = planned_and_executed(here, self.incident, "~ schema 0004_customers → 0005_orders_by_customer")
        assert (running(here, "api"), running(here, "jobs")) == (fix, fix)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0005_orders_by_customer"]
        assert here.practice.ask("/orders").json() == orders
        assert {order["id"] for order in left.placed} <= {order["id"] for order in orders}
        known = {key: orders[0][key] for key in ("customer", "item", "quantity", "currency")}
        answer = here.practice.post("/orders", known)
        assert (answer.status_code, answer.headers["X-Release"]) == (201, fix)
        assert here.practice.ask("/readyz").json()["migrations_current"] is True
        assert f"Over: production was rolled forward to {fix}" in page(ran)
        announced, ticket = told(here)
        assert f"was rolled forward from 2025-12-20-rc1 to {fix}" in announced
        assert "migrated to 0005_orders_by_customer" in ticket
