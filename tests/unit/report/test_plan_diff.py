"""Plan against execution: which changes count as planned, and how each difference is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.clock import digits_of
from runbook.journal.journal import Entry, Journal
from runbook.report.action_diff import FactDiff, Line, PlanAndActual, PlanDiff
from runbook.report.plan_diff import plan_and_actual
from runbook.report.plan_lookup import Sought, newest_plan
from runbook.report.step_digest import step_digests
from runbook.secrets.redactor import Redactor
from tests.support.planned_journals import Deed, Run, told, written
from tests.unit.report.test_plan_lookup import name

FETCHED = Deed("images are fetched", "done", ("docker pull",), scope="notes")
FETCHED_ALREADY = Deed("images are fetched", "already so", scope="notes", evidence="the host holds them")
PAUSED = Deed("traffic is paused", "planned", ("gate close",))
PAUSED_NOW = Deed("traffic is paused", "done", ("gate close",))
TOLD = Deed("people are told", "planned", ("say: INCIDENT is over\nhead [hash, not known yet].",), scope="people")
TOLD_NOW = Deed("people are told", "done", ("say: INCIDENT is over\nhead 4f2a.",), scope="people")


def named(deed: Deed, incident: str) -> Deed:
    """Return `deed` with its incident's name filled in."""
    return replace(deed, commands=tuple(command.replace("INCIDENT", incident) for command in deed.commands))


def planned(reports: Path, *deeds: Deed, **about: Any) -> dict[str, Any]:
    """Return the plan with these deeds as an execution keeps it."""
    plan = name(hours=1)
    written(reports, Run(plan, "plan", [named(deed, plan) for deed in deeds], **({"outcome": "planned"} | about)))
    opened = written(reports, Run(name("rollback", hours=0.5), "execute"))[0]
    return newest_plan(reports, Sought.by(opened))


def executed(reports: Path, plan: dict[str, Any], *deeds: Deed, **about: Any) -> list[Entry]:
    """Return the journal of an execution with these deeds."""
    incident = name("rollback", hours=0)
    return written(reports, Run(incident, "execute", [named(deed, incident) for deed in deeds], **about), plan)


def held(entries: list[Entry]) -> PlanAndActual:
    found = plan_and_actual(entries)
    assert found is not None
    return found


def standings(found: PlanAndActual) -> list[tuple[str, bool]]:
    return [(change.standing.value, change.apart) for change in found.changes]


def test_as_planned(tmp_path: Path) -> None:
    """Equal commands, work that the plan did already, and values unknown at planning are not differences."""
    plan = planned(tmp_path, FETCHED, PAUSED, TOLD)
    found = held(executed(tmp_path, plan, FETCHED_ALREADY, PAUSED_NOW, TOLD_NOW))
    assert standings(found) == [("already so", False), ("as planned", False), ("as planned", False)]
    assert found.summary == "As planned: 3 of 3 changes, 1 of them to production"
    assert (found.plan, found.by, found.stopped) == (name(hours=1), "ada", None)
    assert found.changes[0].evidence == "the host holds them"
    assert found.changes[2].actual == (f"say: {name('rollback', hours=0)} is over\nhead 4f2a.",)
    assert found.changes[2].planned == (f"say: {name(hours=1)} is over\nhead [hash, not known yet].",)


def test_names_of_a_restores_databases_are_its_own(tmp_path: Path) -> None:
    """Database names made from the incident's time are not differences. An unknown value may become several words."""
    deed = Deed("swapped", "planned", ("rename shop_before_DIGITS", "say: rows [how many, not known yet]; over"))
    done = Deed("swapped", "done", ("rename shop_before_DIGITS", "say: rows orders 2, before 4; over"))

    def at(deed: Deed, incident: str) -> Deed:
        return replace(deed, commands=tuple(each.replace("DIGITS", digits_of(incident)) for each in deed.commands))

    plan, now = planned(tmp_path, at(deed, name(hours=1))), name("rollback", hours=0)
    assert held(executed(tmp_path, plan, at(done, now))).differences == 0
    other = replace(done, commands=("rename shop_before_1", done.commands[1]))
    assert held(executed(tmp_path / "other", plan, other)).differences == 1


def test_other_commands_are_shown_line_by_line(tmp_path: Path) -> None:
    """If commands differ, the differing lines are shown as removed and added, and the other lines once."""
    plan = planned(tmp_path, TOLD)
    found = held(executed(tmp_path, plan, Deed("people are told", "done", ("say: INCIDENT is on\nhead 4f2a.",))))
    assert standings(found) == [("differs", True)]
    assert found.changes[0].lines == (
        Line("-", "say: INCIDENT is over"),
        Line("+", "say: INCIDENT is on"),
        Line(" ", "head 4f2a."),
    )
    assert found.summary == "Differs from the plan in 1 place: 0 of 1 changes as planned"


@pytest.mark.parametrize(
    ("plan", "deed", "standing", "words"),
    [
        (PAUSED, Deed("traffic is paused", "already so", evidence="the gate is closed"), "already so", "the gate is"),
        (FETCHED, FETCHED, "differs", "had to be done again"),
        (Deed("traffic is paused", "already so"), PAUSED_NOW, "differs", ""),
        (None, PAUSED_NOW, "not planned", ""),
        (PAUSED, Deed("traffic is paused", "begun", ("gate close",)), "broken off", ""),
    ],
)
def test_other_states(tmp_path: Path, plan: Deed | None, deed: Deed, standing: str, words: str) -> None:
    """Changes done by others, unplanned changes and unfinished changes are differences, each with its kind."""
    found = held(executed(tmp_path, planned(tmp_path, *([plan] if plan else [])), deed))
    assert standings(found) == [(standing, True)]
    assert words in found.changes[0].evidence
    assert found.differences == 1


def test_stop_is_one_difference(tmp_path: Path) -> None:
    """A stop counts as one difference, and its step is named. Later changes are not reached."""
    plan = planned(tmp_path, PAUSED, TOLD)
    found = held(executed(tmp_path, plan, PAUSED_NOW, stopped="nothing is well", outcome="failed"))
    assert standings(found) == [("as planned", False), ("not reached", True)]
    assert found.stopped is not None
    assert (found.stopped.step, found.stopped.id, found.stopped.why) == (
        "Then all is well",
        "2.1.9",
        "nothing is well",
    )
    assert found.summary == "Differs from the plan in 1 place: 1 of 2 changes as planned, 1 of them to production"


def test_held_as_planned(tmp_path: Path) -> None:
    """An execution that stopped where its plan stopped is as planned."""
    plan = planned(tmp_path, FETCHED, stopped="no downgrade", outcome="failed")
    found = held(executed(tmp_path, plan, FETCHED_ALREADY, stopped="no downgrade", outcome="failed"))
    assert found.stopped == found.plan_stopped
    assert found.summary == "As planned: stopped where the plan did, 1 of 1 changes, none of them to production"


def test_other_facts(tmp_path: Path) -> None:
    """Release, digest and verdict are compared. Facts that only one of the two has are not."""
    before = {"tags": ["v2"], "digests": {"api": "sha256:2"}, "log_errors": {"x": 1}}
    plan = planned(tmp_path, PAUSED, facts={"origin": before, "loss": ["table a"], "verdict": {"verdict": "breaking"}})
    after = {
        "origin": before | {"log_errors": {}, "tags": ["v3"]},
        "verdict": {"verdict": "additive", "evidence": ["x"]},
        "target": {"tag": "v1", "digests": {"api": "sha256:3"}},
        "schema": ["0004"],
    }
    found = held(executed(tmp_path, plan, PAUSED_NOW, facts=after))
    assert found.facts == (
        FactDiff("release that ran", "v2", "v3"),
        FactDiff("digest of api to return to", "sha256:1", "sha256:3"),
        FactDiff("verdict", "breaking", "additive"),
    )
    assert found.summary == "Differs from the plan in 3 places: 1 of 1 changes as planned, 1 of them to production"


def test_resumed_incident_counts_as_one(tmp_path: Path) -> None:
    """A change that one run began and the resumed run found done, or did again, is as planned."""
    plan = planned(tmp_path, PAUSED, TOLD)
    incident = name("rollback", hours=0)
    begun, told_now = (named(deed, incident) for deed in (Deed(PAUSED.summary, "begun", PAUSED.commands), TOLD_NOW))
    written(tmp_path, Run(incident, "execute", [begun], outcome="failed"), plan)
    journal = Journal(tmp_path / incident / "journal.jsonl", Redactor(), go_on=True)
    journal.write("resumed", operator="ada")
    told(journal, Run(incident, "execute", [Deed(PAUSED.summary, "already so", evidence="it is closed"), told_now]))
    journal.close()
    found = held(journal.entries)
    assert standings(found) == [("as planned", False), ("as planned", False)]
    assert found.changes[0].evidence == "it is closed"
    assert found.summary == "As planned: 2 of 2 changes, 1 of them to production"


def test_changes_whose_reach_is_not_known_are_only_counted(tmp_path: Path) -> None:
    """If the plan does not say what a change affects, changes to production are not counted."""
    plan = planned(tmp_path, PAUSED, TOLD)
    for step in plan["steps"]:
        for change in step["changes"]:
            change["scope"] = ""
    found = held(executed(tmp_path, plan, PAUSED_NOW, stopped="nothing is well", outcome="failed"))
    assert found.summary == "Differs from the plan in 1 place: 1 of 2 changes as planned"


def test_no_plan(tmp_path: Path) -> None:
    """Without a plan the reason is given. A journal without any note of a plan has no comparison."""
    none = {"incident": None, "why": "no plan for this in the last 24 hours"}
    found = held(executed(tmp_path, none, PAUSED_NOW))
    assert found.summary == "No plan to compare with: no plan for this in the last 24 hours"
    assert (found.changes, found.facts) == ((), ())
    assert plan_and_actual(written(tmp_path / "older", Run(name("rollback"), "execute", [PAUSED_NOW]))) is None


def test_step_that_somebody_vouched_for_is_no_stop(tmp_path: Path) -> None:
    """An inconclusive step does not count as the stop if its scenario passed."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("scenario began", scenario="S", feature="F", description="")
    journal.write("step began", id="1.1.1", keyword="Then", text="x", scenario="S", place="f:1")
    journal.write("step ended", outcome="inconclusive", detail="ada vouches for it", seconds=1)
    journal.write("scenario ended", scenario="S", outcome="passed", provides=[])
    (step,) = step_digests(journal.entries)
    assert (step.outcome, step.stopped) == ("inconclusive", False)
    assert PlanDiff.AS_PLANNED == "as planned"
