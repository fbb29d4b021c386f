"""Traffic behind the gate: held or refused as decided, checked, and resumed without a query."""

from pathlib import Path
from typing import Any

import pytest

from runbook.chapters.switching import traffic
from runbook.incident.production_facts import Switchover
from runbook.production.switchover.decision import Meanwhile, SwitchMode
from tests.unit.chapters.gates import shop


def decided(folder: Path, meanwhile: Meanwhile | None, said: str = "open") -> Any:
    """A shop whose gate can hold, with that decision; None is an incident without a switch."""
    parts = shop(folder, said)
    if meanwhile:
        fact = Switchover(mode=SwitchMode.BEHIND_CLOSED_GATE, meanwhile=meanwhile)
        parts.incident.record_fact("switchover", fact)
    return parts


@pytest.mark.parametrize(
    ("meanwhile", "name", "says"),
    [
        (Meanwhile.HELD, "hold_traffic", "held"),
        (Meanwhile.PAUSED, "pause_traffic", "closed"),
        (None, "pause_traffic", "closed"),
    ],
)
def test_traffic_waits_where_that_was_decided(
    tmp_path: Path, meanwhile: Meanwhile | None, name: str, says: str
) -> None:
    """Requests are held only if that was decided. Without a switch (a restore) they are refused."""
    parts = decided(tmp_path, meanwhile)
    change = traffic.pausing(parts)
    assert (change.name, change.already()) == (name, None)
    parts.incident.execute(change, parts.host)
    assert (tmp_path / "gate").read_text() == f"{says}\n"
    assert traffic.pausing(parts).already() == f"the gate is {says}"
    assert traffic.lets_nothing_through(parts).observe().ok
    assert "2 s" not in change.summary
    assert change.longest_wait == (2 if says == "held" else None)


def test_held_gate_is_none_where_requests_are_refused(tmp_path: Path) -> None:
    """A held gate does not count as paused if requests must be refused, because a migration may take longer."""
    parts = decided(tmp_path, Meanwhile.PAUSED, "held")
    assert not traffic.lets_nothing_through(parts).observe().ok
    assert traffic.pausing(parts).already() is None


def test_gate_is_not_asked_for_what_this_incident_made_of_it(tmp_path: Path) -> None:
    """Before resuming traffic that this incident held or began to hold, the gate's state is not read."""
    parts = decided(tmp_path, Meanwhile.HELD)
    assert not traffic.stopped_by_incident(parts)
    assert traffic.resuming(parts).already() == "the gate is open"
    parts.incident.execute(traffic.pausing(parts), parts.host)
    assert traffic.stopped_by_incident(parts)
    (tmp_path / "gate").write_text("open")
    change = traffic.resuming(parts)
    assert change.already() is None
    parts.incident.execute(change, parts.host)
    assert not traffic.stopped_by_incident(parts)
    begun = traffic.pausing(parts)
    parts.incident.journal.write("action", state="begun", **begun.planned, **begun.members)
    assert traffic.stopped_by_incident(parts)


def test_closed_gate_of_others_is_opened_as_well(tmp_path: Path) -> None:
    """A gate that was closed before the incident is read first, and then opened."""
    parts = decided(tmp_path, Meanwhile.HELD, "closed")
    parts.incident.execute(traffic.pausing(parts), parts.host)
    assert not traffic.stopped_by_incident(parts)
    assert traffic.resuming(parts).already() is None
