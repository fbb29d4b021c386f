"""The report of a journal: result, changes, decisions and time to recover."""

from typing import Any

import pytest

from runbook.report.incident_report import IncidentReport
from tests.support.telling import about

Entry = dict[str, Any]


def story(*entries: Entry) -> IncidentReport:
    """Return the report of these entries, one second apart."""
    timed = [{"time": f"2025-12-18T03:00:{second:02}.000000Z"} | entry for second, entry in enumerate(entries)]
    return IncidentReport(timed)


def opened(kind: str = "rollback") -> Entry:
    return {"kind": "opened", "type": kind, "mode": "execute" if kind == "rollback" else "plan"}


def closed(outcome: str, *reached: str) -> Entry:
    return {"kind": "closed", "outcome": outcome, "reached": list(reached)}


def scenario() -> Entry:
    return {"kind": "scenario began", "scenario": "a scenario", "feature": "a chapter"}


def step(text: str = "it is so") -> Entry:
    return {"kind": "step began", "keyword": "Then", "text": text, "place": "f:1"}


def ended(outcome: str) -> Entry:
    return {"kind": "step ended", "outcome": outcome, "detail": "why", "seconds": 1}


def change(summary: str, state: str, scope: str = "production") -> Entry:
    return {"kind": "action", "state": state, **about(summary, scope)}


def resumed() -> Entry:
    return {"kind": "resumed", "operator": "x", "operator_host": "x"}


def fact(name: str, value: Any) -> Entry:
    return {"kind": "fact", "name": name, "value": value}


@pytest.mark.parametrize(
    ("entries", "headline", "tone"),
    [
        pytest.param(
            [opened(), fact("target", {"tag": "v1"}), closed("passed", "rolled-back", "known-good")],
            "Over: production runs v1 again",
            "good",
            id="over",
        ),
        pytest.param(
            [opened("validation"), fact("running", {"tag": "v2"}), closed("passed", "known-good")],
            "v2 is known good",
            "good",
            id="validated",
        ),
        pytest.param([opened(), closed("passed", "production-seen")], "Not a whole rollback", "plan", id="a-part-only"),
        pytest.param(
            [opened("plan"), closed("planned", "rolled-back")], "A plan: nothing was changed", "plan", id="plan"
        ),
        pytest.param(
            [opened(), scenario(), step("it is"), ended("failed"), closed("failed")],
            "Stopped at: Then it is",
            "bad",
            id="failed",
        ),
        pytest.param(
            [opened(), scenario(), step("it is"), ended("inconclusive"), closed("failed")],
            "Inconclusive at: Then it is",
            "bad",
            id="inconclusive",
        ),
        pytest.param(
            [opened(), scenario(), step("it is"), closed("interrupted")],
            "Interrupted at: Then it is",
            "bad",
            id="interrupted",
        ),
        pytest.param([opened(), scenario(), step("it is")], "Interrupted at: Then it is", "bad", id="killed"),
        pytest.param([opened()], "Interrupted: the run ended without closing", "bad", id="killed-between-steps"),
        pytest.param([], "Interrupted: the run ended without closing", "bad", id="nothing"),
        pytest.param([opened(), closed("failed")], "Ended: failed", "bad", id="failed-outside-of-steps"),
    ],
)
def test_headline(entries: list[Entry], headline: str, tone: str) -> None:
    """The headline says how the incident ended and at which step. Only a reached goal is good."""
    told_story = story(*entries)
    assert headline in told_story.headline
    assert told_story.tone == tone


def test_step_that_was_open_is_interrupted() -> None:
    """A step that began and never ended is interrupted, and keeps its commands."""
    found = story(opened(), scenario(), step(), {"kind": "command", "command": "docker ps"}).steps[0]
    assert found.outcome == "interrupted"
    assert found.seconds is None
    assert [entry["command"] for entry in found.details] == ["docker ps"]


def test_what_happens_between_steps_belongs_to_none() -> None:
    """A command after the end of a step does not belong to that step."""
    found = story(opened(), scenario(), step(), ended("passed"), {"kind": "command", "command": "docker ps"})
    assert found.steps[0].details == []


@pytest.mark.parametrize(
    ("state", "scope", "changed"),
    [
        ("begun", "production", True),
        ("done", "production", True),
        ("planned", "production", False),
        ("already so", "production", False),
        ("done", "notes", False),
        ("done", "people", False),
    ],
)
def test_only_what_was_begun_on_production_counts_as_changed(state: str, scope: str, *, changed: bool) -> None:
    """A change to production counts once it began. Plans, notes and messages do not count."""
    found = story(opened(), scenario(), step(), change("x", state, scope))
    assert found.steps[0].changed_production is changed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param([("x", "begun"), ("x", "done")], "changed", id="done"),
        pytest.param([("x", "begun")], "begun, not finished", id="begun"),
        pytest.param([("x", "begun"), ("x", "done"), ("y", "begun")], "begun, not finished", id="second-begun"),
        pytest.param([("x", "already so"), ("y", "planned")], "", id="nothing-begun"),
    ],
)
def test_change_is_told_as_far_as_it_came(changes: list[tuple[str, str]], words: str) -> None:
    """A change that began and never finished is not reported as changed."""
    told = [change(summary, state) for summary, state in changes]
    found = story(opened(), scenario(), step(), *told, change("a note", "begun", "notes"))
    assert found.steps[0].change_in_words == words


def test_changes_are_told_in_their_last_state() -> None:
    """A change that began and was done is listed once, as done."""
    found = story(opened(), scenario(), step(), change("x", "begun"), change("x", "done"), change("y", "begun"))
    assert [(entry["summary"], entry["state"]) for entry in found.steps[0].changes] == [
        ("x", "done"),
        ("y", "begun"),
    ]


def test_latest_decision_on_a_question_counts() -> None:
    """A question that was decided twice has its latest answer."""
    ask = {"kind": "decision", "question": "Which?", "evidence": []}
    found = story(opened(), ask | {"answer": "v1"}, ask | {"answer": "v0"})
    assert [entry["answer"] for entry in found.decisions] == ["v0"]


def test_running_release_of_an_earlier_run_is_not_told() -> None:
    """The release that an earlier run validated is not carried over to a resumed run."""
    found = story(opened(), fact("target", {"tag": "v1"}), fact("running", {"tag": "v1"}), resumed())
    assert (found.facts.target_tag, found.facts.running) == ("v1", None)


@pytest.mark.parametrize(
    ("facts", "way"),
    [
        pytest.param({"origin": {"tags": ["v2"]}, "target": {"tag": "v1"}}, [("from", "v2"), ("to", "v1")], id="both"),
        pytest.param({"target": {"tag": "v1"}}, [("from", "an unknown release"), ("to", "v1")], id="unknown-origin"),
        pytest.param({"origin": {"tags": ["v2"]}}, [("on", "v2")], id="plan-without-target"),
        pytest.param({"before": {"tags": ["v2"]}, "running": {"tag": "v3"}}, [("on", "v2")], id="emergency"),
        pytest.param({"running": {"tag": "v2"}}, [("on", "v2")], id="validation"),
        pytest.param({}, [], id="nothing-known"),
    ],
)
def test_releases_that_it_is_about(facts: dict[str, Any], way: list[tuple[str, str]]) -> None:
    """The releases are "from" and "to" with a target, and otherwise "on" the release that ran."""
    assert story(opened(), *(fact(name, value) for name, value in facts.items())).way == way


def test_chapters_keep_their_order() -> None:
    """Scenarios are listed in the order in which they ran, including skipped ones, grouped by chapter."""
    left_out = {
        "kind": "scenario left out",
        "scenario": "b",
        "feature": "other",
        "why": "needs",
        "reason": "needs a",
        "outcome": "x",
    }
    found = story(opened(), scenario(), left_out, scenario() | {"scenario": "c"})
    assert [(name, [one.name for one in chapter]) for name, chapter in found.chapters] == [
        ("a chapter", ["a scenario"]),
        ("other", ["b"]),
        ("a chapter", ["c"]),
    ]


@pytest.mark.parametrize(("enable", "seconds"), [(None, 2), ("exports", None)])
def test_turning_a_switch_on_again_recovers_nothing(enable: str | None, seconds: float | None) -> None:
    """Turning a switch off has a time to recover. Turning it on again has none."""
    reached = {"kind": "scenario ended", "outcome": "passed", "provides": ["export-mode-confirmed"]}
    found = story(opened("emergency") | {"asked_for": {"enable": enable}}, scenario(), reached)
    assert found.time_to_recover == seconds
