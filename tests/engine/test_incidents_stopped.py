"""Incidents whose right end is "stopped, and here is where": a downgrade that fails behind its first statements."""

import os
import shlex
import subprocess

from rehearsal.incidents.catalogue import NEW_CUSTOMERS
from rehearsal.incidents.database import columns, rows, sql
from runbook.incident.facts import HalfWay
from runbook.settings.loading.loader import load
from tests.engine.conftest import Ran, Rehearsed, running
from tests.engine.judging import Scene, arguments, headline, words
from tests.support.keeping import keep


def stopped(here: Rehearsed, name: str) -> tuple[Ran, HalfWay]:
    """The run that stopped in the downgrade, and where it says that this left production."""
    ran = here.run(*arguments(name, here))
    assert ran.exit_code == 1, ran.terminal
    keep(name, ran.folder)
    assert headline(ran).startswith("Stopped at: When the schema is downgraded with the image of the failed release")
    fact = HalfWay.model_validate(ran.fact("half way"))
    for way in (fact.way_on, fact.way_back):
        assert way in words(ran), ran.terminal
    return ran, fact


class TestHalfWayDowngrade:
    """Its downgrade commits statement by statement, and a row refuses the second."""

    incident = "half-way-downgrade"

    def test_told_and_brought_back(self, scene: Scene) -> None:
        """What is gone and what is still to come are named; the command printed brings the dump's database back."""
        here, _ = scene
        known = columns(here.practice, "orders")
        content = rows(here.practice, "orders")
        ran, fact = stopped(here, self.incident)
        assert "it stands HALF-WAY: the database says 0004_customers, as before" in words(ran)
        assert fact.stands_between
        assert fact.changed == ("column public.orders.note is gone",)
        assert "column public.orders.quantity is gone" in fact.missing
        assert set(known) - set(columns(here.practice, "orders")) == {"note"}

        typed = shlex.split(fact.way_back)
        back = here.run(*typed[typed.index("-m", 2) :])
        assert back.exit_code == 0, back.terminal
        assert columns(here.practice, "orders") == known
        assert rows(here.practice, "orders") == content
        assert all(any(str(order["note"]) in row for row in content) for order in NEW_CUSTOMERS if "note" in order)


class TestUndoneDowngrade:
    """Its downgrade is one transaction: nothing of it stays."""

    incident = "undone-downgrade"

    def test_told_and_started_again(self, scene: Scene) -> None:
        """Schema and rows are as they were; the command printed starts the failed release again."""
        here, _ = scene
        known, content = columns(here.practice, "orders"), rows(here.practice, "orders")
        ran, fact = stopped(here, self.incident)
        assert fact.untouched
        assert "nothing of it stayed" in words(ran)
        assert (columns(here.practice, "orders"), rows(here.practice, "orders")) == (known, content)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0004_customers"]

        environment = os.environ | load(here.practice.settings).host.environment
        subprocess.run(["sh", "-c", fact.way_back], env=environment, timeout=120, check=True)
        assert {running(here, service) for service in ("api", "jobs")} == {"2025-12-23-rc2"}
