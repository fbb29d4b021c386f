"""Chapter 4 holds traffic during the redeployment if the gate can hold, and then resumes what it held."""

from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, ActionName
from runbook.chapters import emergency_disablement as chapter
from runbook.incident.executor import Mode
from runbook.settings.absent import Absent
from tests.unit.chapters.gates import shop


class Switch:
    """A kill switch whose services already run with it if `done`."""

    def __init__(self, *, done: bool = False) -> None:
        self.watched: list[bool] = []
        self.done = done

    def redeploy(self, _had: object, _before: object, *, watched: bool) -> Action:
        self.watched.append(watched)
        already = "api runs with EXPORT_MODE=off" if self.done else None
        return Action(ActionName.REDEPLOY, "api is redeployed", already=lambda: already, resource="api")


def emergency(folder: Path, said: str = "open", *, done: bool = False, **gate: bool) -> Any:
    parts = shop(folder, said, **gate)
    parts.switch = Switch(done=done)
    parts.incident.record_fact("before", {"tags": ["v2"]})
    return parts


def gate(folder: Path) -> str:
    return (folder / "gate").read_text().strip()


def test_held_for_the_redeployment_alone(tmp_path: Path) -> None:
    """Requests are held only for the redeployment, and no look delays them meanwhile."""
    parts = emergency(tmp_path)
    assert chapter.redeploying(parts).already() is None
    parts.incident.execute(chapter.holding(parts), parts.host)
    assert gate(tmp_path) == "held"
    parts.switch.done = True
    assert chapter.redeploying(parts).already() is None, "who waits does not wait for a look"
    assert parts.switch.watched[-1] is False, "a request for the data would wait as well"
    parts.incident.execute(chapter.resuming(parts), parts.host)
    assert gate(tmp_path) == "open"
    assert chapter.redeploying(parts).already() == "api runs with EXPORT_MODE=off"
    assert parts.switch.watched[0] is parts.switch.watched[-1] is True


def test_nobody_waits_for_nothing(tmp_path: Path) -> None:
    """If the services already run with the switch, traffic keeps flowing."""
    parts = emergency(tmp_path, done=True)
    parts.incident.execute(chapter.holding(parts), parts.host)
    parts.incident.execute(chapter.resuming(parts), parts.host)
    states = [each["state"] for each in parts.incident.journal.entries if each["kind"] == "action"]
    assert (gate(tmp_path), states) == ("open", ["already so", "already so"])


@pytest.mark.parametrize("step", [chapter.holding, chapter.resuming])
def test_no_gate_is_turned_that_cannot_hold(tmp_path: Path, step: Any) -> None:
    """A gate that cannot hold stays as it is, and without a gate the step is not configured."""
    change = step(emergency(tmp_path / "open", may_hold=False))
    assert change.does_nothing
    assert change.already() == "the gate cannot hold requests: traffic keeps flowing"
    assert step(emergency(tmp_path / "none", gate=False, may_hold=False)).not_configured is Absent.GATE


def test_plan_shows_both_turns(tmp_path: Path) -> None:
    """A plan shows holding and resuming with their commands."""
    parts = emergency(tmp_path)
    parts.incident.mode, parts.incident.planned_changes = Mode.PLAN, 1
    for step in (chapter.holding, chapter.resuming):
        parts.incident.execute(step(parts), parts.host)
    planned = [each for each in parts.incident.journal.entries if each["kind"] == "action"]
    assert [(each["state"], each["to"]) for each in planned] == [("planned", "held"), ("planned", "open")]
    assert all(each["commands"] for each in planned)


def test_interrupted_between_the_two_it_is_let_on(tmp_path: Path) -> None:
    """A run that finds the gate held by its own incident, according to the journal, resumes traffic."""
    parts = emergency(tmp_path)
    change = chapter.holding(parts)
    parts.incident.journal.write("action", state="begun", **change.planned, **change.members)
    (tmp_path / "gate").write_text("held")
    assert chapter.holding(parts).already() == "the gate is held"
    assert chapter.resuming(parts).already() is None


@pytest.mark.parametrize(
    ("said", "rollback", "stays"), [("closed", False, True), ("held", True, True), ("held", False, False)]
)
def test_gate_that_others_turned(tmp_path: Path, said: str, *, rollback: bool, stays: bool) -> None:
    """A closed gate stays closed, and one held by a rollback stays held; one held by a lost emergency is opened."""
    parts = emergency(tmp_path, said)
    parts.open_rollback.read = lambda: {"incident": "i-0"} if rollback else None
    parts.incident.execute(chapter.holding(parts), parts.host)
    parts.incident.execute(chapter.resuming(parts), parts.host)
    assert gate(tmp_path) == (said if stays else "open")
