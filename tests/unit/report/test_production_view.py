"""Production in a journal: before and after, time without traffic, and unknown states."""

from pathlib import Path
from typing import Any

import pytest

from runbook.incident.production_facts import Snapshot
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.incident_report import IncidentReport
from runbook.report.page import render
from runbook.report.state_diff import compared
from runbook.secrets.redactor import Redactor
from tests.support.telling import snapshot, told
from tests.unit.report.test_incident_report import change, closed, fact, opened, resumed, scenario, step, story


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
    """The gate counts as closed from the start of each pause to its resumption. While paused there is no total."""
    changes = [entry for summary, state in states for entry in (step(), change(summary, state))]
    assert story(opened(), scenario(), *changes).production.gate_closed_seconds == seconds


@pytest.mark.parametrize(("action", "held"), [("hold_traffic", True), ("pause_traffic", False)])
def test_waiting_is_told_from_refusing(action: str, held: bool) -> None:  # noqa: FBT001 - expected value
    """If traffic was only held, the report says that it was only held. The time counts as for a pause."""
    began = change("user traffic is kept back", "begun") | {"action": action}
    let_on = change("user traffic is resumed", "done")
    seen = story(opened(), scenario(), step(), began, step(), let_on).production
    assert (seen.only_held, seen.gate_closed_seconds) == (held, 2)


def test_before_and_after_side_by_side(tmp_path: Path) -> None:
    """Each row has the value before, the value after, and whether it changed."""
    found = IncidentReport(verify(told(tmp_path)).entries)
    rows = {row.name: (row.before, row.after, row.changed) for row in found.production.before_and_after}
    assert rows["image tag"] == ("v2", "v1", True)
    assert rows["IMAGE_TAG"] == ("v2", "v1", True)
    assert rows["schema revision"] == ("x", "x", False)
    assert rows["errors in recent logs"] == ("2", "2", False)
    assert found.from_to == ("v2", "v1")


def test_without_an_after_nothing_is_compared() -> None:
    """A run without a last observation compares nothing."""
    before = {"tags": ["v2"]}
    assert (
        story(opened(), fact("before", before), fact("after", {"unknown": "no engine"})).production.has_snapshot_after
        is False
    )
    assert story(opened()).production.before_and_after == []


@pytest.mark.parametrize(
    ("looks", "title", "rows"),
    [
        pytest.param({"before": "v2", "after": "v1"}, "Before and after", [("v2", "v1")], id="both"),
        pytest.param({"before": "v2"}, "Production as it was found", [("v2", None)], id="before"),
        pytest.param({"after": "v1"}, "Production as it was left", [("v1", None)], id="after"),
        pytest.param({}, "Production as it was found", [], id="never"),
    ],
)
def test_what_was_seen_once_is_told_too(looks: dict[str, str], title: str, rows: list[tuple[str, str | None]]) -> None:
    """A run with only one observation shows that one, without a comparison."""
    facts = [fact(name, snapshot("x", tag)) for name, tag in looks.items()]
    found = story(opened(), *facts).production
    tags = [(row.before, row.after) for row in found.before_and_after if row.name == "image tag"]
    assert (found.title, tags) == (title, rows)


@pytest.mark.parametrize(
    ("gate", "kept_out"),
    [("closed", True), ("open", False), ({"unknown": "no answer"}, False)],
    ids=["closed", "open", "unknown"],
)
def test_closed_gate_is_told_as_it_was_last_seen(gate: Any, *, kept_out: bool) -> None:
    """Traffic is reported as paused if the gate was closed in the last observation."""
    before = fact("before", snapshot("x", "v2", gate="closed"))
    assert story(opened(), before, fact("after", snapshot("x", "v1", gate=gate))).production.traffic_paused is kept_out
    assert story(opened(), before).production.traffic_paused


def test_changes_that_nobody_looked_at_leave_production_unknown() -> None:
    """If a run changed production and did not observe it afterwards, the state of production is unknown."""
    changed = [scenario(), step(), change("x", "begun")]
    assert story(opened(), *changed).production.left_unknown
    assert not story(opened(), *changed, fact("after", snapshot("x", "v1"))).production.left_unknown
    assert not story(opened(), scenario(), step(), change("x", "planned")).production.left_unknown


CLOSED_AFTER = fact("after", snapshot("x", "v2", gate="closed"))


def test_run_that_resumed_traffic_and_was_killed_left_production_unknown() -> None:
    """The last observation before a resumed run does not count after that run changed production."""
    found = story(
        opened(), scenario(), step(), change("user traffic is paused", "begun"), CLOSED_AFTER, closed("failed"),
        resumed(), fact("found again", snapshot("x", "v2", gate="closed")),
        scenario(), step(), change("user traffic is resumed", "done"),
    )  # fmt: skip
    assert (found.production.traffic_paused, found.production.left_unknown, found.production.has_snapshot_after) == (
        False,
        True,
        False,
    )


def test_run_that_was_killed_before_it_did_anything_left_what_the_one_before_saw() -> None:
    """After a resumed run that changed nothing, the observation of the earlier run still counts."""
    found = story(
        opened(), scenario(), step(), change("user traffic is paused", "begun"), CLOSED_AFTER, closed("failed"),
        resumed(),
    )  # fmt: skip
    assert (found.production.traffic_paused, found.production.left_unknown) == (True, False)


def test_what_a_killed_run_changed_stays_unknown_until_somebody_looks() -> None:
    """The changes of a killed run leave production unknown until the first observation of a resumed run."""
    killed = [opened(), scenario(), step(), change("x", "begun"), resumed()]
    assert story(*killed).production.left_unknown
    assert not story(*killed, fact("found again", snapshot("x", "v2", gate="open"))).production.left_unknown


def test_gate_that_was_found_closed_again_is_told() -> None:
    """The first observation of a resumed run counts until the run observes production after its changes."""
    looks = (("before", "open"), ("found again", "closed"))
    before, again = (fact(name, snapshot("x", "v2", gate=gate)) for name, gate in looks)
    assert story(opened(), before, resumed(), again).production.traffic_paused
    assert story(opened(), before, resumed(), again, scenario(), step(), change("x", "done")).production.traffic_paused


def test_gate_that_was_being_closed_keeps_users_out() -> None:
    """After a run was killed while it paused traffic, traffic counts as paused."""
    before = fact("before", snapshot("x", "v2", gate="open"))
    killed = [opened(), before, scenario(), step(), change("user traffic is paused", "begun")]
    assert story(*killed).production.traffic_paused
    assert not story(*killed, change("user traffic is resumed", "begun")).production.traffic_paused
    assert not story(
        opened(), before, scenario(), change("user traffic is paused", "planned")
    ).production.traffic_paused


def test_note_that_is_removed_after_the_last_look_leaves_nothing_unknown() -> None:
    """A change after the last observation, which removes the run's note, does not make production unknown."""
    after = fact("after", snapshot("x", "v1", gate="open"))
    found = story(opened(), scenario(), step(), change("x", "done"), after, step(), change("note", "done"))
    assert not found.production.left_unknown


def container(service: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{service}-0123456789", "name": f"shop-{service}-1", "service": service,
        "state": "running", "health": "healthy", "restarts": 0,
    } | more  # fmt: skip


seen = Snapshot.model_validate


def production(**more: Any) -> dict[str, Any]:
    return snapshot("x", "v2", containers=[container("api"), container("db")]) | more


@pytest.mark.parametrize(
    ("db", "state"),
    [
        pytest.param({}, (False, True, False), id="kept"),
        pytest.param({"health": "starting"}, (True, True, False), id="same-container-in-another-state"),
        pytest.param({"id": "other"}, (True, False, True), id="recreated"),
        pytest.param({"restarts": 1}, (True, False, True), id="restarted"),
    ],
)
def test_container_that_must_stay_is_held_against_itself(db: dict[str, Any], state: tuple[bool, bool, bool]) -> None:
    """A container of another service must not be recreated or restarted. Its health may differ."""
    later = production(containers=[container("api", id="new"), container("db", **db)])
    rows = {row.name: row for row in compared(seen(production()), seen(later), ("other containers",))}
    row = rows["shop-db-1"]
    assert (row.changed, row.kept, row.broken) == state
    assert (rows["shop-api-1"].changed, rows["shop-api-1"].broken) == (True, False)


def test_container_that_is_gone_or_new_is_told() -> None:
    """A container that exists only before or only after is listed, and a vanished one is a fault."""
    later = production(containers=[container("api"), container("cache")])
    rows = {row.name: row for row in compared(seen(production()), seen(later), ("other containers",))}
    assert rows["shop-db-1"].after == "not there"
    assert rows["shop-db-1"].broken
    assert rows["shop-cache-1"].before == "not there"


def test_unknown_is_not_said_to_have_stayed() -> None:
    """A value that neither observation could read is unchecked, not reported as unchanged."""
    unknown = production(schema={"unknown": "no answer"})
    (row,) = [row for row in compared(seen(unknown), seen(unknown), ("schema",)) if row.name == "schema revision"]
    assert not row.kept
    assert row.unchecked


@pytest.mark.parametrize("looks", [(["0002"], {"unknown": "no answer"}), ({"unknown": "no answer"}, ["0002"])])
def test_unknown_is_not_said_to_have_changed(looks: tuple[str, str], tmp_path: Path) -> None:
    """A value that one observation could not read is unchecked, not reported as changed."""
    before, after = (production(schema=schema) for schema in looks)
    (row,) = [row for row in compared(seen(before), seen(after), ("schema",)) if row.name == "schema revision"]
    assert (row.broken, row.kept, row.unchecked) == (False, False, True)
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened", type="emergency", mode="execute")
    journal.write("fact", name="before", value=before)
    journal.write("fact", name="after", value=after)
    journal.close()
    page = render.body(journal.path)
    assert "Must be the same as before, but could not be read:</strong> database (schema revision)</p>" in page
    kept = page.partition("Must be the same as before, and is:</strong> ")[2].partition("</p>")[0]
    assert [group.partition(" (")[0] for group in kept.split("; ")] == ["release", "containers", "env file"]
    assert '<span class="rb-flag">not known</span>' in page
    assert "must not have" not in page
    assert "before, but changed" not in page


def test_image_without_a_digest_is_told_by_its_local_id() -> None:
    """An image without a digest is compared by its local ID."""
    before, after = (production(digests={"api": f"local:{word}"}) for word in "ab")
    (row,) = [row for row in compared(seen(before), seen(after), ("release",)) if row.name == "digest of api"]
    assert row.broken


ALWAYS = {"shop-db-1", "path", "mode", "owner"}


@pytest.mark.parametrize(
    ("kind", "strategy", "names"),
    [
        pytest.param("rollback", "image-only", {"schema revision", *ALWAYS}, id="image-only"),
        pytest.param("rollback", "downgrade", {*ALWAYS}, id="downgrade"),
        pytest.param(
            "emergency", None, {"image tag", "digest of api", "schema revision", *ALWAYS}, id="emergency"
        ),
    ],
)  # fmt: skip
def test_what_must_stay_follows_from_what_is_done(kind: str, strategy: str | None, names: set[str]) -> None:
    """A rollback without a downgrade must keep the schema. An emergency must also keep the release."""
    facts = [
        fact("before", production()),
        *([fact("strategy", strategy)] if strategy else []),
        fact("after", production()),
    ]
    rows = story(opened(kind) | {"mode": "execute"}, *facts).production.before_and_after
    assert {row.name for row in rows if row.kept} == names
