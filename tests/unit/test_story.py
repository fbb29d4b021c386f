"""What a journal tells: how it ended, what changed, and for how long users were kept out."""

from pathlib import Path
from typing import Any

import pytest

from runbook.incident.story import Story
from runbook.incident.verifying import verify
from tests.unit.telling import snapshot, told

Entry = dict[str, Any]


def story(*entries: Entry) -> Story:
    """The story of these entries, a second apart."""
    timed = [{"time": f"2025-12-18T03:00:{second:02}.000000Z"} | entry for second, entry in enumerate(entries)]
    return Story(timed)


def opened(kind: str = "rollback") -> Entry:
    return {"kind": "opened", "type": kind, "mode": "execute" if kind == "rollback" else "plan"}


def closed(outcome: str, *reached: str) -> Entry:
    return {"kind": "closed", "outcome": outcome, "reached": list(reached)}


def scenario() -> Entry:
    return {"kind": "scenario began", "scenario": "a scenario", "feature": "a chapter"}


def sentence(text: str = "it is so") -> Entry:
    return {"kind": "sentence began", "keyword": "Then", "text": text, "place": "f:1"}


def ended(outcome: str) -> Entry:
    return {"kind": "sentence ended", "outcome": outcome, "detail": "why", "seconds": 1}


def change(summary: str, state: str, reach: str = "production") -> Entry:
    return {"kind": "change", "summary": summary, "state": state, "reach": reach}


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
            [opened(), scenario(), sentence("it is"), ended("failed"), closed("failed")],
            "Stopped at: Then it is",
            "bad",
            id="failed",
        ),
        pytest.param(
            [opened(), scenario(), sentence("it is"), ended("inconclusive"), closed("failed")],
            "Stopped, not known at: Then it is",
            "bad",
            id="inconclusive",
        ),
        pytest.param(
            [opened(), scenario(), sentence("it is"), closed("interrupted")],
            "Interrupted at: Then it is",
            "bad",
            id="interrupted",
        ),
        pytest.param([opened(), scenario(), sentence("it is")], "Interrupted at: Then it is", "bad", id="killed"),
        pytest.param([opened()], "Interrupted: the run ended without closing", "bad", id="killed-between-sentences"),
        pytest.param([], "Interrupted: the run ended without closing", "bad", id="nothing"),
        pytest.param([opened(), closed("failed")], "Ended: failed", "bad", id="failed-outside-of-sentences"),
    ],
)
def test_headline(entries: list[Entry], headline: str, tone: str) -> None:
    """The headline says how it ended, and at which sentence; only an end that was reached is good."""
    told_story = story(*entries)
    assert headline in told_story.headline
    assert told_story.tone == tone


def test_sentence_that_was_open_is_interrupted() -> None:
    """A sentence that began and never ended is interrupted, with all that was run under it."""
    found = story(opened(), scenario(), sentence(), {"kind": "command", "command": "docker ps"}).sentences[0]
    assert found.outcome == "interrupted"
    assert found.seconds is None
    assert [entry["command"] for entry in found.details] == ["docker ps"]


def test_what_happens_between_sentences_belongs_to_none() -> None:
    """A command after a sentence's end is not told under it."""
    found = story(opened(), scenario(), sentence(), ended("passed"), {"kind": "command", "command": "docker ps"})
    assert found.sentences[0].details == []


@pytest.mark.parametrize(
    ("state", "reach", "changed"),
    [
        ("begun", "production", True),
        ("done", "production", True),
        ("planned", "production", False),
        ("already so", "production", False),
        ("done", "notes", False),
        ("done", "people", False),
    ],
)
def test_only_what_was_begun_on_production_counts_as_changed(state: str, reach: str, *, changed: bool) -> None:
    """A change that was begun changed production, done or not; plans, notes and messages did not."""
    found = story(opened(), scenario(), sentence(), change("x", state, reach))
    assert found.sentences[0].changed_production is changed


@pytest.mark.parametrize(
    ("states", "seconds"),
    [
        pytest.param(
            [("user traffic is paused", "begun"), ("user traffic is resumed", "done")], 2, id="paused-and-resumed"
        ),
        pytest.param([("user traffic is paused", "begun")], None, id="never-resumed"),
        pytest.param(
            [("user traffic is paused", "planned"), ("user traffic is resumed", "planned")], None, id="planned"
        ),
        pytest.param([], None, id="never-paused"),
        pytest.param(
            [
                ("user traffic is paused", "begun"),
                ("user traffic is paused", "begun"),
                ("user traffic is resumed", "done"),
            ],
            4,
            id="pausing-begun-twice-counts-from-the-first",
        ),
        pytest.param(
            [
                ("user traffic is paused", "begun"),
                ("user traffic is resumed", "done"),
                ("another thing", "done"),
                ("user traffic is paused", "begun"),
                ("user traffic is resumed", "done"),
            ],
            4,
            id="paused-twice-and-open-between",
        ),
        pytest.param(
            [
                ("user traffic is paused", "begun"),
                ("user traffic is resumed", "done"),
                ("user traffic is paused", "begun"),
            ],
            None,
            id="closed-again",
        ),
        pytest.param(
            [
                ("user traffic is paused", "begun"),
                ("user traffic is resumed", "begun"),
                ("user traffic is resumed", "already so"),
            ],
            4,
            id="found-resumed",
        ),
    ],
)
def test_time_without_service_is_that_of_the_closed_gate(states: list[tuple[str, str]], seconds: float | None) -> None:
    """Users are kept out from when pausing began until resuming was done, each time; while it lasts, no end is told."""
    changes = [entry for summary, state in states for entry in (sentence(), change(summary, state))]
    assert story(opened(), scenario(), *changes).gate_closed_seconds == seconds


def test_changes_are_told_in_their_last_state() -> None:
    """A change that was begun and done is one change, done."""
    found = story(opened(), scenario(), sentence(), change("x", "begun"), change("x", "done"), change("y", "begun"))
    assert [(entry["summary"], entry["state"]) for entry in found.sentences[0].changes] == [
        ("x", "done"),
        ("y", "begun"),
    ]


def test_latest_decision_on_a_question_counts() -> None:
    """A question that was decided twice is told with its latest answer."""
    ask = {"kind": "decision", "question": "Which?", "evidence": []}
    found = story(opened(), ask | {"answer": "v1"}, ask | {"answer": "v0"})
    assert [entry["answer"] for entry in found.decisions] == ["v0"]


def test_before_and_after_side_by_side(tmp_path: Path) -> None:
    """Each row says how it was and how it is, and whether that differs."""
    found = Story(verify(told(tmp_path)).entries)
    rows = {row.name: (row.before, row.after, row.changed) for row in found.before_and_after}
    assert rows["release"] == ("v2", "v1", True)
    assert rows["env file IMAGE_TAG"] == ("v2", "v1", True)
    assert rows["schema revision"] == ("x", "x", False)
    assert rows["errors in recent logs"] == ("2", "2", False)
    assert found.from_to == ("v2", "v1")


def test_without_an_after_nothing_is_compared() -> None:
    """A run that never looked again, or could not, claims nothing about afterwards."""
    before = {"tags": ["v2"]}
    assert story(opened(), fact("before", before), fact("after", "unknown: no engine")).looked_after is False
    assert story(opened()).before_and_after == []


@pytest.mark.parametrize(
    ("gate", "kept_out"),
    [("closed", True), ("open", False), ("unknown: no answer", False)],
    ids=["closed", "open", "unknown"],
)
def test_closed_gate_is_told_as_it_was_last_seen(gate: str, *, kept_out: bool) -> None:
    """Users are said to be kept out when the gate was closed at the last look, whatever it was before."""
    before = fact("before", snapshot("x", "v2", gate="closed"))
    assert story(opened(), before, fact("after", snapshot("x", "v1", gate=gate))).users_kept_out is kept_out
    assert story(opened(), before).users_kept_out


def test_changes_that_nobody_looked_at_leave_production_unknown() -> None:
    """A run that changed something and never looked again left production in a state that is not known."""
    changed = [scenario(), sentence(), change("x", "begun")]
    assert story(opened(), *changed).left_unknown
    assert not story(opened(), *changed, fact("after", snapshot("x", "v1"))).left_unknown
    assert not story(opened(), scenario(), sentence(), change("x", "planned")).left_unknown


CLOSED_AFTER = fact("after", snapshot("x", "v2", gate="closed"))


def test_run_that_resumed_traffic_and_was_killed_left_production_unknown() -> None:
    """What the run before saw last is not what the resumed one left."""
    found = story(
        opened(), scenario(), sentence(), change("user traffic is paused", "begun"), CLOSED_AFTER, closed("failed"),
        resumed(), fact("found again", snapshot("x", "v2", gate="closed")),
        scenario(), sentence(), change("user traffic is resumed", "done"),
    )  # fmt: skip
    assert (found.users_kept_out, found.left_unknown, found.looked_after) == (False, True, False)


def test_run_that_was_killed_before_it_did_anything_left_what_the_one_before_saw() -> None:
    """A resumed run that changed nothing leaves users kept out as they were, and nothing unknown."""
    found = story(
        opened(), scenario(), sentence(), change("user traffic is paused", "begun"), CLOSED_AFTER, closed("failed"),
        resumed(),
    )  # fmt: skip
    assert (found.users_kept_out, found.left_unknown) == (True, False)


def test_what_a_killed_run_changed_stays_unknown_until_somebody_looks() -> None:
    """A resumed run that was killed before its first look knows no more than the one before; its look tells."""
    killed = [opened(), scenario(), sentence(), change("x", "begun"), resumed()]
    assert story(*killed).left_unknown
    assert not story(*killed, fact("found again", snapshot("x", "v2", gate="open"))).left_unknown


def test_gate_that_was_found_closed_again_is_told() -> None:
    """The look of a resumed run counts before it has looked after its changes."""
    looks = (("before", "open"), ("found again", "closed"))
    before, again = (fact(name, snapshot("x", "v2", gate=gate)) for name, gate in looks)
    assert story(opened(), before, resumed(), again).users_kept_out
    assert story(opened(), before, resumed(), again, scenario(), sentence(), change("x", "done")).users_kept_out


def test_note_that_is_removed_after_the_last_look_leaves_nothing_unknown() -> None:
    """A run looks after its changes once; the closing note that follows does not make that unknown."""
    after = fact("after", snapshot("x", "v1", gate="open"))
    found = story(opened(), scenario(), sentence(), change("x", "done"), after, sentence(), change("note", "done"))
    assert not found.left_unknown


def test_running_release_of_an_earlier_run_is_not_told() -> None:
    """Which release was validated is for each run to find."""
    found = story(opened(), fact("target", {"tag": "v1"}), fact("running", {"tag": "v1"}), resumed())
    assert set(found.facts) == {"target"}


def test_chapters_keep_their_order() -> None:
    """Scenarios stand under their chapter, in the order in which they ran, left out or not."""
    left_out = {"kind": "scenario left out", "scenario": "b", "feature": "other", "reason": "needs a", "outcome": "x"}
    found = story(opened(), scenario(), left_out, scenario() | {"scenario": "c"})
    assert {name: [one.name for one in chapter] for name, chapter in found.chapters.items()} == {
        "a chapter": ["a scenario", "c"],
        "other": ["b"],
    }
