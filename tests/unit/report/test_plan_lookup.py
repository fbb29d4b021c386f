"""The lookup of the plan that an execution keeps, and the reasons why there is none."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.journal.verify import verify
from runbook.report.plan_lookup import Sought, newest_plan
from tests.support.forging import put, sealed_anew
from tests.support.planned_journals import ASKED, SCENARIO, Deed, Run, written

NOW = datetime.now(UTC)
DEED = Deed("traffic is paused", "planned", ("gate close",))


def name(kind: str = "plan", *, hours: float = 1, project: str = "shop") -> str:
    """Return the name of a record that was made so many hours ago."""
    at = NOW - timedelta(hours=hours)
    return f"{at:%Y%m%dT%H%M%SZ}-{project}-{kind}"


def sought(**asked: Any) -> Sought:
    """Return the search of an execution that begins now."""
    began = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return Sought("shop", "/srv/shop", ASKED | asked, [SCENARIO], began)


def test_plan_is_kept_in_short(tmp_path: Path) -> None:
    """The kept plan has its name, head, time, author, facts, and the changes of each step."""
    entries = written(tmp_path, Run(name(), "plan", [DEED], outcome="planned"))
    found = newest_plan(tmp_path, sought())
    assert (found["incident"], found["head"], found["made"], found["by"]) == (
        entries[0]["incident"],
        verify(tmp_path / name() / "journal.jsonl").head,
        entries[0]["time"],
        "ada",
    )
    assert found["facts"] == {
        "release to return to": "v1",
        "digest of api to return to": "sha256:1",
        "strategy": "image-only",
    }
    (step,) = found["steps"]
    assert step["changes"][0]["commands"] == ["gate close"]
    json.dumps(found)


def test_search_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search stops at its time limit and says so, because users may be waiting."""
    written(tmp_path, Run(name(), "plan", [DEED], outcome="planned"))
    monkeypatch.setattr("runbook.report.plan_lookup._LONGEST_SEARCH", -1.0)
    found = newest_plan(tmp_path, sought())
    assert found["incident"] is None
    assert "none was found within" in found["why"]


def test_newest_of_several(tmp_path: Path) -> None:
    """The newest of several plans counts."""
    for hours in (3, 1, 2):
        written(tmp_path, Run(name(hours=hours), "plan", [DEED], outcome="planned"))
        time.sleep(0.002)
    assert newest_plan(tmp_path, sought())["incident"] == name(hours=1)


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        pytest.param({}, {"target": "v1"}, id="the plan's own target pinned"),
        pytest.param({"target": "v1"}, {"target": "v1"}, id="the same target"),
        pytest.param({}, {"because": "I looked", "override": ["1.2.3"]}, id="something vouched for"),
    ],
)
def test_wishes_that_are_the_same(tmp_path: Path, plan: dict[str, Any], asked: dict[str, Any]) -> None:
    """A plan matches an execution that pins the plan's target, or vouches for a check."""
    written(tmp_path, Run(name(), "plan", [DEED], asked=plan, outcome="planned"))
    assert newest_plan(tmp_path, sought(**asked))["incident"] is not None


@pytest.mark.parametrize(
    "run",
    [
        pytest.param({"asked": {"accept_loss": "0004"}}, id="other wishes"),
        pytest.param({"asked": {"target": "v0"}, "facts": {"target": {"tag": "v0", "digests": {}}}}, id="other target"),
        pytest.param({"opened": {"scenarios": ["Another"]}}, id="other scenarios"),
        pytest.param({"opened": {"directory": "/srv/other"}}, id="other production"),
        pytest.param({"opened": {"type": "validation"}}, id="a validation"),
        pytest.param({"outcome": "interrupted"}, id="interrupted"),
        pytest.param({"outcome": None}, id="killed"),
        pytest.param({"opened": {"asked_for": "everything"}}, id="of another version"),
    ],
)
def test_plan_for_something_else(tmp_path: Path, run: dict[str, Any]) -> None:
    """A plan for other options, scenarios or production, or one that did not finish, does not count."""
    written(tmp_path, Run(**({"name": name(), "mode": "plan", "deeds": [DEED], "outcome": "planned"} | run)))
    assert newest_plan(tmp_path, sought()) == {"incident": None, "why": "no plan for this in the last 24 hours"}


def test_plan_that_is_too_old(tmp_path: Path) -> None:
    """A plan of more than a day ago does not count."""
    written(tmp_path, Run(name(hours=25), "plan", [DEED], outcome="planned"))
    assert newest_plan(tmp_path, sought())["incident"] is None


def test_plan_from_before_another_execution(tmp_path: Path) -> None:
    """A plan does not count after a later run changed production. A later run that changed nothing does not matter."""
    written(tmp_path, Run(name(hours=2), "plan", [DEED], outcome="planned"))
    time.sleep(0.002)
    written(tmp_path, Run(name("rollback", hours=1.5), "execute", outcome="failed"))
    assert newest_plan(tmp_path, sought())["incident"] == name(hours=2)
    changed = written(tmp_path, Run(name("rollback"), "execute", [Deed("x", "done")]))
    found = newest_plan(tmp_path, sought())
    assert found["incident"] is None
    assert changed[0]["incident"] in found["why"]


def test_plan_from_before_a_killed_execution(tmp_path: Path) -> None:
    """A plan does not count after a later run was killed, because its changes are unknown."""
    written(tmp_path, Run(name(hours=2), "plan", [DEED], outcome="planned"))
    time.sleep(0.002)
    written(tmp_path, Run(name("rollback"), "execute", outcome=None))
    assert newest_plan(tmp_path, sought())["incident"] is None


@pytest.mark.parametrize("damage", ["cut", "edited", "folder", "binary", "unreadable", "pipe", "forged"])
def test_broken_journals_are_passed_over(tmp_path: Path, damage: str) -> None:
    """A damaged, forged or missing journal is skipped without an error."""
    written(tmp_path, Run(name(hours=2), "plan", [DEED], outcome="planned"))
    time.sleep(0.002)
    written(tmp_path, Run(name(), "plan", [DEED], outcome="planned"))
    journal = tmp_path / name() / "journal.jsonl"
    data = journal.read_bytes()
    journal.unlink()
    if damage == "folder":
        journal.mkdir()
    elif damage == "unreadable":
        journal.symlink_to("nowhere")
    elif damage == "pipe":
        os.mkfifo(journal)
    elif damage == "forged":
        put(journal, sealed_anew([line.replace(b'"outcome":"planned"', b'"came":"out"') for line in data.splitlines()]))
    else:
        journal.write_bytes(
            {"cut": data[:-40], "edited": data.replace(b"gate", b"gaze"), "binary": b"\xff\xfe{"}[damage]
        )
    assert newest_plan(tmp_path, sought())["incident"] == name(hours=2)


def test_no_records_at_all(tmp_path: Path) -> None:
    """Without a folder of records there is no plan."""
    assert newest_plan(tmp_path / "none", sought())["incident"] is None


def test_many_records_are_no_burden(tmp_path: Path) -> None:
    """With 2,000 older records and 2,000 of another project, the search takes less than a second."""
    written(tmp_path, Run(name(hours=2), "plan", [DEED], outcome="planned"))
    for number in range(2000):
        (tmp_path / f"20240101T{number:06d}Z-shop-rollback").mkdir()
        (tmp_path / name(f"plan-{number}", project="other")).mkdir()
    began = time.monotonic()
    assert newest_plan(tmp_path, sought())["incident"] == name(hours=2)
    assert time.monotonic() - began < 1
