"""The first lines of a record: whether users are served, the decision, and the next command."""

from typing import Any

import pytest

from runbook.report.follow_up.at_a_glance import at_a_glance
from runbook.report.incident_report import IncidentReport
from tests.support.telling import ASKED_FOR, about

BEGAN = "2026-01-01T03:00:00.000000Z"
NAME = "20260101T030000Z-shop-rollback"
RESUME = f"pytest features --resume {NAME} --execute shop"


def probes(*statuses: int) -> dict[str, Any]:
    offsets = [1000 * number for number in range(len(statuses))]
    asked = {"url": "http://x", "interval_ms": 1000, "deadline_ms": 5000, "began": BEGAN}
    return {"kind": "availability", **asked, "offsets_ms": offsets, "statuses": list(statuses), "latencies_ms": offsets}


def paused(at: str) -> dict[str, Any]:
    return {"kind": "action", "state": "done", "time": at, "receipts": [], **about("user traffic is paused")}


def fact(name: str, value: Any) -> dict[str, Any]:
    return {"kind": "fact", "name": name, "value": value}


def closed(outcome: str, *changes: str) -> dict[str, Any]:
    return {"kind": "closed", "outcome": outcome, "changes_made": list(changes), "remaining": [], "reached": []}


HELD = {"action": "hold_traffic", "longest_wait": 20.0}
RESTORE = {"path": "/d", "sha256": "0" * 64, "database": "shop", "kept_as": "shop_before_1"}
SWITCH = {"name": "exports", "variable": "EXPORT_MODE", "value": "off", "state": "off"}


@pytest.mark.parametrize(
    ("told", "users", "served", "decided", "command"),
    [
        pytest.param(
            [probes(200, 200), fact("strategy", "image-only"), closed("passed")],
            "served: the last probe, at 03:00:01 UTC, got HTTP 200",
            True,
            "strategy image-only",
            "",
            id="over",
        ),
        pytest.param(
            [
                fact("verdict", {"verdict": "breaking"}),
                fact("strategy", "downgrade"),
                paused("2026-01-01T03:00:05.000000Z"),
                probes(200, 503),
                closed("failed", "x"),
            ],
            "not served: traffic is paused since 03:00:05 UTC",
            False,
            "strategy downgrade, because the verdict on the migrations is breaking",
            RESUME,
            id="paused",
        ),
        pytest.param(
            [paused("2026-01-01T03:00:05.000000Z") | HELD, probes(200, 503), closed("failed", "x")],
            "not served: traffic is held since 03:00:05 UTC; a request waits for 20 s at most, and is then refused",
            False,
            "nothing",
            RESUME,
            id="held",
        ),
        pytest.param(
            [probes(200, 502, 0), closed("failed", "x")],
            "not served since 03:00:01 UTC: the last probe, at 03:00:02 UTC, got no answer",
            False,
            "nothing",
            RESUME,
            id="down",
        ),
        pytest.param(
            [probes(200)], "not known: the run never closed its journal", None, "nothing", RESUME, id="killed"
        ),
        pytest.param(
            [fact("switch", SWITCH), closed("passed")],
            "not known: nothing was probed",
            None,
            "the switch exports is turned off: EXPORT_MODE=off",
            "",
            id="switch",
        ),
        pytest.param(
            [fact("to restore", RESTORE), closed("passed")],
            "not known: nothing was probed",
            None,
            "the dump /d replaces the database shop",
            "",
            id="restore",
        ),
    ],
)
def test_first_lines(
    told: list[dict[str, Any]],
    users: str,
    served: bool | None,  # noqa: FBT001 - table column
    decided: str,
    command: str,
) -> None:
    """Unknown service is not reported as good, and a command is given only if one is needed."""
    opened = {"kind": "opened", "mode": "execute", "type": "rollback", "incident": NAME, "project": "shop"}
    entries = [{"time": BEGAN, "seq": n} | entry for n, entry in enumerate([opened | {"asked_for": ASKED_FOR}, *told])]
    found = at_a_glance(IncidentReport(entries), entries)
    assert (found.users, found.served, found.decided) == (users, served, decided)
    assert found.command.endswith(command)
    assert bool(found.command) is bool(command)


def test_end_that_cannot_be_believed() -> None:
    """If the end of the journal was changed, it is unknown whether users are served."""
    entries = [{"time": BEGAN, "seq": 0, "kind": "opened", "mode": "execute", "type": "rollback", "project": "shop"}]
    found = at_a_glance(IncidentReport(entries), entries, end_unknown=True)
    assert (found.served, found.users) == (None, "not known: the end of the journal cannot be trusted")


@pytest.mark.parametrize(
    ("left", "following"),
    [
        ([], "nothing is left to do"),
        ([["customers"]], "no run is needed; 1 task is left, see “What is left to do”"),
    ],
)
def test_tasks_that_are_left_for_later(left: list[list[str]], following: str) -> None:
    """If an incident that is over leaves tasks, the first lines say so."""
    opened = {"kind": "opened", "mode": "execute", "type": "rollback", "incident": NAME, "project": "shop"}
    kept = [fact("kept rows", {"path": "/r", "sha256": "0" * 64, "kept": each, "put_back": "psql"}) for each in left]
    entries = [{"time": BEGAN, "seq": n} | entry for n, entry in enumerate([opened, *kept, closed("passed")])]
    assert at_a_glance(IncidentReport(entries), entries).following == following
