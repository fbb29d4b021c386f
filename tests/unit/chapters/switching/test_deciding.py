"""The switch mode is decided from the state of production, recorded with its reasons, and kept."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.switching.deciding import decided
from runbook.incident.options import Options
from runbook.incident.production_facts import Switchover
from runbook.production.containers import Container
from runbook.production.switchover.decision import Meanwhile, Obstacle, SwitchMode
from runbook.settings.application import ServiceCommand, SwitchoverSettings, TrafficSettings
from tests.support.incident_parts import incident
from tests.support.parts import host, production

CALL = ServiceCommand(command=("true",))
TARGET = {"tag": "v1", "images": {"api": "reg/shop/api:v1", "jobs": "reg/shop/jobs:v1"}, "digests": {}}


def one(name: str, tag: str, service: str = "api") -> Container:
    return Container(name, name, service, "", f"reg/shop/{service}:{tag}", "running", "none", 0, "", 0, (), number=1)


def context(folder: Path, *, options: Options | None = None, note: Any = None, **switch: Any) -> Any:
    """A shop that serves v2 with one api and one jobs container, and whose target is v1."""
    found = incident(folder)
    now = [one("shop-api-1", "v2"), one("shop-jobs-1", "v2", "jobs")]
    before = [{"id": each.id, "name": each.name, "service": each.service} for each in now]
    found.record_fact("before", {"tags": ["v2"], "containers": before})
    found.record_fact("target", TARGET)
    found.record_fact("strategy", "image-only")
    site: Any = production(folder)
    parts = SimpleNamespace(
        rolled_back=("api", "jobs"),
        containers=lambda: now,
        services=lambda _tag: {"api": {}, "jobs": {}},
        sharing_with=lambda _names: {},
        memory_of=lambda _each: 1 << 20,
        command=site.command,
        files=site.files,
    )
    traffic = TrafficSettings(
        public_url="http://shop", pause=CALL, resume=CALL, state=CALL, hold=CALL, follows="addresses"
    )
    settings = SimpleNamespace(api="api", switch=SwitchoverSettings(**switch), traffic=traffic)
    rollback = SimpleNamespace(for_running_tags=lambda _tags: note, beside=lambda found: found.get("beside", {}))
    return SimpleNamespace(
        incident=found, options=options or Options(), settings=settings, production=parts, host=host(),
        open_rollback=rollback,
    )  # fmt: skip


def switchover(parts: Any) -> Switchover:
    assert decided(parts).observe().ok
    found: Switchover = parts.incident.facts.switchover
    return found


def test_beside_is_on_record_with_its_numbers(tmp_path: Path) -> None:
    """The api comes up beside, the jobs are stopped first, and requests are held."""
    parts = context(tmp_path)
    assert switchover(parts) == Switchover(
        mode=SwitchMode.BESIDE, meanwhile=Meanwhile.HELD, numbers={"api": 1}, in_turn=("jobs",)
    )
    (entry,) = [each for each in parts.incident.journal.entries if each["kind"] == "decision"]
    assert (entry["question"], entry["answer"], entry["by_human"]) == ("switch", "beside", False)


def test_jobs_that_may_overlap_come_up_beside_too(tmp_path: Path) -> None:
    """If jobs may overlap, they come up beside too, and nothing is stopped first."""
    found = switchover(context(tmp_path, jobs_may_overlap=True))
    assert (found.numbers, found.in_turn) == ({"api": 1, "jobs": 1}, ())


def test_person_closes_the_gate_first(tmp_path: Path) -> None:
    """--close-gate-first is recorded as a person's decision."""
    parts = context(tmp_path, options=Options(close_gate_first=True))
    found = switchover(parts)
    assert [each.obstacle for each in found.reasons] == [Obstacle.ASKED_FOR]
    assert found.meanwhile is Meanwhile.HELD
    (entry,) = [each for each in parts.incident.journal.entries if each["kind"] == "decision"]
    assert (entry["answer"], entry["option"]) == ("behind-closed-gate", ["--close-gate-first"])


@pytest.mark.parametrize(
    ("strategy", "meanwhile"),
    [
        ("image-only", Meanwhile.HELD),
        ("bridge", Meanwhile.HELD),
        ("downgrade", Meanwhile.PAUSED),
        ("forward-fix", Meanwhile.PAUSED),
        (None, Meanwhile.PAUSED),
    ],
)
def test_requests_wait_where_no_migration_runs(tmp_path: Path, strategy: str | None, meanwhile: Meanwhile) -> None:
    """Requests are held if no migration runs; they are refused if one does, or if no strategy is decided."""
    parts = context(tmp_path, options=Options(close_gate_first=True))
    parts.incident.facts.strategy = strategy
    assert switchover(parts).meanwhile is meanwhile


@pytest.mark.parametrize(("first", "mode"), [(False, "beside"), (True, "behind-closed-gate")])
def test_what_was_begun_is_gone_on_with(tmp_path: Path, *, first: bool, mode: str) -> None:
    """A begun switch keeps its mode, unless a person now closes the gate first; the container counts stay."""
    parts = context(tmp_path, options=Options(close_gate_first=first), mode="behind-closed-gate")
    known = Switchover(mode=SwitchMode.BESIDE, meanwhile=Meanwhile.HELD, numbers={"api": 1}, in_turn=("jobs",))
    parts.incident.record_fact("switchover", known)
    parts.incident.changes_made.append("something")
    found = switchover(parts)
    assert (found.mode, found.numbers) == (mode, {"api": 1})


def test_switch_that_another_machine_began_is_gone_on_with(tmp_path: Path) -> None:
    """If both releases run, the note on the host gives the container counts; without it, the gate closes first."""
    parts = context(tmp_path, note={"beside": {"api": 1}})
    both = [*parts.production.containers(), one("shop-api-2", "v1")]
    parts.production.containers = lambda: both
    before = [{"id": each.id, "name": each.name, "service": each.service} for each in both]
    parts.incident.record_fact("before", {"tags": ["v1", "v2"], "containers": before})
    found = switchover(parts)
    assert (found.mode, found.numbers) == (SwitchMode.BESIDE, {"api": 1})
    parts.open_rollback.beside = lambda _note: {}
    parts.incident.facts.drop("switchover")
    assert [each.obstacle for each in switchover(parts).reasons] == [Obstacle.SAME_TAG]
