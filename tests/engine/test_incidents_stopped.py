"""Incidents that must stop, with the place: a downgrade that fails after its first statements."""

import json
import os
import shlex
import subprocess

from rehearsal.incidents.catalogue import NEW_CUSTOMERS
from rehearsal.incidents.database import columns, rows, sql
from runbook.actions import Scope
from runbook.incident.schema_facts import HalfWay, RestoredFact
from runbook.report.action_diff import PlanDiff
from runbook.report.follow_up.at_a_glance import at_a_glance
from runbook.report.incident_report import IncidentReport
from runbook.report.plan_diff import plan_and_actual
from runbook.settings.loading.loader import load
from tests.engine.conftest import Ran, Rehearsed, running
from tests.engine.judging import Scene, arguments, headline, page, told, words
from tests.engine.same_end import announcements
from tests.support.keeping import keep


def stopped(here: Rehearsed, name: str) -> tuple[Ran, HalfWay]:
    """Return the run that stopped in the downgrade, and the state of production that it reports."""
    ran = here.run(*arguments(name, here))
    assert ran.exit_code == 1, ran.terminal
    keep(name, ran.folder)
    assert headline(ran).startswith("Stopped at: When the schema is downgraded with the image of the failed release")
    fact = HalfWay.model_validate(ran.fact("half way"))
    for way in (fact.way_on, fact.way_back):
        assert way in words(ran), ran.terminal
    return ran, fact


class TestHalfWayDowngrade:
    """The downgrade commits statement by statement, and a row refuses the second one."""

    incident = "half-way-downgrade"

    def test_told_and_brought_back(self, scene: Scene) -> None:
        """What is gone and what is still to come are named. The printed command brings the dump's database back."""
        here, _ = scene
        known = columns(here.practice, "orders")
        content = rows(here.practice, "orders")
        ran, fact = stopped(here, self.incident)
        assert "it stopped HALF-WAY: the database is at 0004_customers, as before" in words(ran)
        assert fact.between_revisions
        assert fact.changed == ("column public.orders.note is missing",)
        assert "column public.orders.quantity is missing" in (fact.missing or ())
        assert set(known) - set(columns(here.practice, "orders")) == {"note"}

        typed = shlex.split(fact.way_back)
        restoring = typed[typed.index("-m", 2) :]
        plan = here.run(*restoring[: restoring.index("--execute")])
        assert plan.exit_code == 0, plan.terminal
        assert "data loss data written since will be only in shop_before_" in words(plan)
        back = here.run(*restoring)
        assert back.exit_code == 0, back.terminal
        assert columns(here.practice, "orders") == known
        assert rows(here.practice, "orders") == content
        assert all(any(str(order["note"]) in row for row in content) for order in NEW_CUSTOMERS if "note" in order)
        self.restore_is_told(here, back)

    def restore_is_told(self, here: Rehearsed, back: Ran) -> None:
        """Assert that dump, revisions, data loss and commands are in the channel and in the incident log, once each."""
        fact, dump = RestoredFact.model_validate(back.fact("restored")), back.fact("restore point")
        assert back.folder is not None
        assert announcements(here, back.folder.name) == 1
        announced, _ = told(here)
        log = (here.practice.folder / "incidents.md").read_text()
        assert log.count(f"<!-- rollback-runbook {back.folder.name} -->") == 1
        entry = log.rpartition("## ")[2]
        for word in (
            fact.path, f"{fact.size} bytes, sha256 {fact.sha256}", f"only in the kept database {fact.kept_as}",
            "Revisions: 0004_customers before, 0004_customers now", "Rows: the same in ", dump["path"], dump["sha256"],
        ):  # fmt: skip
            assert word in announced
            assert word in entry.replace("\\", "")
        for command in (fact.start, fact.remove):
            assert json.dumps(command)[1:-1] in announced
            assert command in entry
        assert "Users are not served: the application is stopped." in announced
        began = [each for each in back.of_kind("told") if each["state"] == "done"]
        assert [each["turn"] for each in began] == ["started"]
        found = plan_and_actual(back.entries)
        assert found is not None
        people = [change.standing for change in found.changes if change.scope == Scope.PEOPLE]
        assert people == [PlanDiff.AS_PLANNED] * 2, "the plan promised both, word for word"
        assert "restored from a dump of" in page(back)
        assert at_a_glance(IncidentReport(back.entries), back.entries).command == fact.start


class TestUndoneDowngrade:
    """The downgrade is one transaction: nothing of it stays."""

    incident = "undone-downgrade"

    def test_told_and_started_again(self, scene: Scene) -> None:
        """Schema and rows are unchanged. The printed command starts the failed release again."""
        here, _ = scene
        known, content = columns(here.practice, "orders"), rows(here.practice, "orders")
        ran, fact = stopped(here, self.incident)
        assert fact.untouched
        assert "it left no change" in words(ran)
        assert (columns(here.practice, "orders"), rows(here.practice, "orders")) == (known, content)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0004_customers"]

        environment = os.environ | load(here.practice.settings).host.environment
        subprocess.run(["sh", "-c", fact.way_back], env=environment, timeout=120, check=True)
        assert {running(here, service) for service in ("api", "jobs")} == {"2025-12-23-rc2"}
