"""The failed release moved one column and renamed another: bridged for the target, then fixed forward."""

import hashlib
import json

import pytest

from rehearsal.incidents.database import rows, sql, tables
from runbook.cli.main import main
from tests.engine.conftest import Rehearsed, running, state
from tests.engine.judging import Scene, page, shown_by, told, words
from tests.support.same_commands import differences

LIVE, FIX = "2025-12-15-rc1", "2025-12-20-rc2"
CHOSEN = ("--strategy", "bridge", "--because", "nobody may lose a note")


def everything(here: Rehearsed, *names: str) -> list[list[str]]:
    """Return every row of the failed release's tables, with the orders under the given names."""
    return [rows(here.practice, name) for name in (*names, "customers")]


class TestBridge:
    """Back with a bridge, on with a forward-fix."""

    incident = "forward-fix"

    def test_proposed_and_carried_out(self, scene: Scene) -> None:
        """Nothing is lost: old and new orders are there by the target's names, and it accepts more."""
        here, left = scene
        before, content = state(here), everything(here, "orders")
        usual = here.run("--accept-loss", "0004_customers")
        assert "--strategy bridge" in words(usual), usual.terminal
        plan = here.run(*CHOSEN)
        assert plan.exit_code == 0, plan.terminal
        assert "migrations breaking → bridge" in words(plan)
        assert state(here) == before
        ran = here.run(*shown_by(plan, here))
        assert ran.exit_code == 0, ran.terminal
        assert not (apart := differences(plan.entries, ran.entries)), "\n".join(apart)
        assert (running(here, "api"), running(here, "jobs")) == (LIVE, LIVE)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0004_customers"]
        assert everything(here, "orders__bridged") == content
        names = ", ".join(f'"{name}"' for name in left.columns)
        old = sql(here.practice, f"COPY (SELECT {names} FROM orders WHERE {left.before} ORDER BY id) TO STDOUT")  # noqa: S608 - our own
        assert hashlib.sha256("\n".join(["\t".join(left.columns), *old]).encode()).hexdigest() == left.content
        listed = {order["id"]: order["customer"] for order in here.practice.ask("/orders").json()}
        assert {order["id"]: order["customer"] for order in left.placed}.items() <= listed.items()

        for customer in ("Eve", "Zoe"):
            order = {"customer": customer, "item": "mug", "quantity": 1, "currency": "EUR"}
            answer = here.practice.post("/orders", order)
            assert (answer.status_code, answer.headers["X-Release"]) == (201, LIVE)
        assert here.practice.ask("/readyz").json()["migrations_current"] is False
        announced, ticket = told(here)
        for text in (announced, ticket, page(ran)):
            assert "relaxed without touching a row" in text
        assert "DROP VIEW" in ticket
        ledger = (here.practice.server / ".runbook/known_good.jsonl").read_text().splitlines()
        assert json.loads(ledger[-1])["bridge"] == str(ran.entries[0]["incident"])

    def test_status_tells_of_it(self, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
        """The status shows the bridge's release, since when it exists, and what removes it."""
        here, _ = scene
        assert main(["status", "--settings", str(here.practice.settings), "--reports", str(here.reports)]) == 0
        seen = " ".join(capsys.readouterr().out.split())
        assert f"bridge for {LIVE} since" in seen
        assert "the schema is relaxed as it was on the copy" in seen

    def test_taken_away_by_the_forward_fix(self, scene: Scene) -> None:
        """The bridge is removed first, in a separate transaction. Every order remains, also those placed in between."""
        here, _ = scene
        content = everything(here, "orders__bridged")
        plan = here.run("--forward-fix", FIX)
        assert plan.exit_code == 0, plan.terminal
        assert "- bridge .runbook/bridge.json" in words(plan)
        ran = here.run(*shown_by(plan, here))
        assert ran.exit_code == 0, ran.terminal
        assert not (apart := differences(plan.entries, ran.entries)), "\n".join(apart)
        assert (running(here, "api"), running(here, "jobs")) == (FIX, FIX)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0005_orders_by_customer"]
        assert everything(here, "orders") == content
        assert {"orders", "customers"} <= set(tables(here.practice))
        assert sql(here.practice, "SELECT viewname FROM pg_views WHERE schemaname = 'public'") == []
        assert not (here.practice.server / ".runbook/bridge.json").exists()
