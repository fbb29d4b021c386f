"""What a step must do to pass, and what only a step that may change production may do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runbook.actions import Action, ActionName, Check, Observation, Question
from runbook.errors import Inconclusive, StepError
from runbook.hosts.command import Command
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from tests.support.incident_parts import incident

FACTS = {"id": "1.1.1", "keyword": "x", "text": "x", "scenario": "x", "place": "f:1"}


def making(folder: Path) -> Action:
    return Action(ActionName.BRING_UP, "a file is made", (Command(("touch", str(folder / "made")), 10),))


def already_made() -> Action:
    return Action(ActionName.BRING_UP, "a file is made", (Command(("false",), 10),), lambda: "there it is")


def all_well() -> Check:
    return Check("all well", lambda: Observation(ok=True, seen="all well"), "look by hand")


@pytest.mark.parametrize(
    ("keyword", "states"), [("Given", ["planned", "so"]), ("Then", ["planned", "planned"])], ids=["given", "then"]
)
def test_given_looks_behind_planned_changes_and_then_does_not(tmp_path: Path, keyword: str, states: list[str]) -> None:
    """After a planned change a Given is still checked, unless it is about the result of the change; a Then is not."""
    found = incident(tmp_path, Mode.PLAN)
    found.planned_changes = 1
    found.step_began(FACTS | {"keyword": keyword})
    found.take(replace(all_well(), afterwards=True), LocalHost({}, found))
    found.take(all_well(), LocalHost({}, found))
    assert [entry["state"] for entry in found.journal.entries if entry["kind"] == "check"] == states


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    """A step may return an Action, a Check or None, and nothing else."""
    found = incident(tmp_path)
    found.step_began(FACTS)
    found.take(None, LocalHost({}, found))
    with pytest.raises(StepError, match="returned bool, expected an Action or a Check"):
        found.take(False, LocalHost({}, found))  # noqa: FBT003 - what a step must not return


def test_result_of_a_change_goes_on_record(tmp_path: Path) -> None:
    """A change's result is recorded if it was made or was already so; its watch runs only while it is made."""
    said: list[str] = []

    @contextmanager
    def watched() -> Iterator[None]:
        said.append("watched")
        yield

    for mode, change in (
        (Mode.PLAN, making(tmp_path)),
        (Mode.EXECUTE, making(tmp_path)),
        (Mode.EXECUTE, already_made()),
    ):
        folder = tmp_path / f"{mode}-{len(said)}"
        found = incident(folder, mode)
        found.execute(replace(change, during=watched, record=lambda: said.append("recorded")), LocalHost({}, found))
    assert said == ["watched", "recorded", "recorded"]


@pytest.mark.parametrize("mode", list(Mode))
def test_undeclared_change_is_stopped_before_anything_is_done(tmp_path: Path, mode: Mode) -> None:
    """A step that may only look can neither make nor plan a change: no command runs and no intent is recorded."""
    found = incident(tmp_path, mode)
    found.step_began(FACTS)
    with pytest.raises(StepError, match="was about to make a change: a file is made → bind it to When"):
        found.execute(making(tmp_path), LocalHost({}, found))
    assert not (tmp_path / "made").exists()
    assert '"action"' not in found.journal.path.read_text()


@pytest.mark.parametrize(
    "do",
    [
        pytest.param(lambda found: found.record_fact("nothing to do", "x"), id="fact"),
        pytest.param(lambda found: found.record_decision(Question.TARGET, "x?", "y", []), id="decision"),
        pytest.param(lambda found: found.verify(all_well()), id="look"),
        pytest.param(lambda found: found.expect(all_well()), id="expected-look"),
    ],
)
def test_step_must_put_something_on_record(tmp_path: Path, do: Callable[[Executor], None]) -> None:
    """A look, a fact or a decision is enough for a step that only looks, but not for a When."""
    found = incident(tmp_path)
    found.step_began(FACTS)
    do(found)
    found.check_step()
    found.step_began(FACTS, may_change=True)
    do(found)
    with pytest.raises(Inconclusive, match="nothing was done"):
        found.check_step()


def test_step_that_did_nothing_has_not_passed(tmp_path: Path) -> None:
    """A look of an earlier step does not count for a step that did nothing."""
    found = incident(tmp_path)
    found.step_began(FACTS)
    found.verify(all_well())
    found.step_ended()
    found.step_began(FACTS)
    with pytest.raises(Inconclusive, match="nothing was checked"):
        found.check_step()


@pytest.mark.parametrize(
    ("mode", "is_so"),
    [
        pytest.param(Mode.EXECUTE, False, id="made"),
        pytest.param(Mode.PLAN, False, id="planned"),
        pytest.param(Mode.EXECUTE, True, id="already-so"),
    ],
)
def test_change_counts_however_it_ends_well(tmp_path: Path, mode: Mode, *, is_so: bool) -> None:
    """A When has done its work if its change was made, was planned, or was already so."""
    found = incident(tmp_path, mode)
    found.step_began(FACTS, may_change=True)
    found.execute(already_made() if is_so else making(tmp_path), LocalHost({}, found))
    found.check_step()


def test_look_that_a_plan_puts_off_counts(tmp_path: Path) -> None:
    """A Then after a planned change has done its work by recording what it would check."""
    found = incident(tmp_path, Mode.PLAN)
    found.execute(making(tmp_path), LocalHost({}, found))
    found.step_began(FACTS)
    found.expect(all_well())
    found.check_step()
