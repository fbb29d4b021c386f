"""Checks of a run on a planted incident: its output, its messages to people, and that it changed nothing."""

import json
import re
import shlex

import httpx

from rehearsal.incidents.catalogue import Planted, find_incident
from runbook.report.action_diff import PlanAndActual
from runbook.report.follow_up.follow_ups import follow_ups
from runbook.report.plan_diff import plan_and_actual
from tests.engine.conftest import Ran, Rehearsed, state
from tests.support.keeping import keep
from tests.support.same_commands import differences

Scene = tuple[Rehearsed, Planted]


def arguments(name: str, here: Rehearsed) -> tuple[str, ...]:
    return (*find_incident(name).arguments, "--execute", here.practice.name)


def page(ran: Ran) -> str:
    assert ran.folder is not None, ran.terminal
    return (ran.folder / "record.html").read_text()


def headline(ran: Ran) -> str:
    """Return the text of the page's headline."""
    (found,) = re.findall(r"<h1>(.*?)</h1>", page(ran), re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", found).split())


_COLUMNS = 80


def words(ran: Ran) -> str:
    """Return the terminal output on one line."""
    return " ".join(ran.terminal.split())


def told(here: Rehearsed) -> tuple[str, str]:
    """Return the newest announcement and the newest ticket that the desk received. Empty without a ticket."""
    token = (here.practice.folder / "secrets/ticket_token").read_text().strip()
    issues = httpx.get(
        f"{here.practice.desk_url}/api/v3/repos/shop/shop/issues",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    ).json()
    announced = httpx.get(f"{here.practice.desk_url}/announcements", trust_env=False).json()
    return json.dumps(announced[-1]), "".join(f"{issue['title']}\n{issue['body']}" for issue in issues[:1])


def registry_digest(here: Rehearsed, service: str, tag: str) -> str:
    """Return the registry's digest of a release's image."""
    password = (here.practice.folder / "secrets/registry_password").read_text().strip()
    answer = httpx.head(
        f"{here.practice.registry_url}/v2/shop/{service}/manifests/{tag}",
        auth=("deploy", password),
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        trust_env=False,
    )
    return answer.headers["docker-content-digest"]


def held(here: Rehearsed, before: dict[str, object], ran: Ran, *expected: str) -> None:
    """Assert that a run exited with 1, gave these reasons, and left production unchanged."""
    assert ran.exit_code == 1, ran.terminal
    for word in expected:
        assert word in words(ran), ran.terminal
    assert state(here) == before
    assert ("nothing was changed" if is_plan(ran) else "no changes were made to production") in ran.terminal


def is_plan(ran: Ran) -> bool:
    """Return whether that run was a plan."""
    return str(ran.entries[0]["mode"]) == "plan"


def fits_on_one_screen(plan: Ran, most: int) -> bool:
    """Return whether a plan takes at most that many lines of 80 columns.

    Its command and its record's path count as three lines, because their length depends on the test's folders.
    """
    *lines, _page = plan.terminal.splitlines()
    others = [line for line in lines if line and "--execute" not in line]
    return len(others) + 3 <= most and max(map(len, others)) <= _COLUMNS


def shown_by(plan: Ran, here: Rehearsed) -> list[str]:
    """Return the arguments of the command that a plan says to type, without those that all runs here have."""
    line = next(line for line in plan.terminal.splitlines() if "--execute" in line)
    typed = shlex.split(line)
    given = typed.index("--settings")
    assert typed[given + 1] == str(here.practice.settings)
    return typed[given + 2 :]


def planned_and_executed(here: Rehearsed, name: str, recovery: str) -> Ran:
    """Plan an incident's recovery, then run the command that the plan shows. Both must do and say the same.

    `recovery` must be in the plan's last lines.
    """
    plan = here.run(*find_incident(name).arguments)
    assert plan.exit_code == 0, plan.terminal
    assert recovery in words(plan), plan.terminal
    executed = here.run(*shown_by(plan, here))
    assert executed.exit_code == 0, executed.terminal
    keep(name, executed.folder)
    apart = differences(plan.entries, executed.entries)
    assert not apart, "\n".join(apart)
    found = held_against_plan(executed, plan)
    assert found.summary.startswith(f"As planned: {len(found.changes)} of {len(found.changes)} changes, ")
    assert found.stopped is None
    emergency = executed.entries[0]["type"] == "emergency"
    assert emergency or follow_ups(executed.entries).quarantined
    return executed


def held_against_plan(executed: Ran, plan: Ran) -> PlanAndActual:
    """Return the execution's comparison with its plan, which must be that plan, without differences."""
    found = plan_and_actual(executed.entries)
    assert found is not None
    assert plan.folder is not None
    assert (found.plan, found.head) == (plan.folder.name, plan.entries[-1]["sha256"])
    assert (found.differences, found.facts) == (0, ())
    return found


def planned_and_held(here: Rehearsed, name: str) -> Ran:
    """Plan an incident's recovery, then try to execute it. Both must stop at the same step, with the same words."""
    plan = here.run(*find_incident(name).arguments)
    executed = here.run(*arguments(name, here))
    for ran, stopped in ((plan, "stopped at "), (executed, "production is held as it is, at:")):
        assert ran.exit_code == 1, ran.terminal
        assert stopped in ran.terminal
    keep(name, executed.folder)
    apart = differences(plan.entries, executed.entries)
    assert not apart, "\n".join(apart)
    found = held_against_plan(executed, plan)
    assert found.summary.startswith("As planned: stopped where the plan did, ")
    assert found.stopped == found.plan_stopped
    return executed
