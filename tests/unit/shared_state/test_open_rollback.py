"""The rollback under way, as it is written down on the production host."""

import json
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action
from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.shared_state.open_rollback import OpenRollback, incidents_of
from tests.support.incident_parts import incident, production

ORIGIN = {"tags": ["v2"], "digests": {"api": "sha256:aa"}, "log_errors": {"KeyError": 3}, "containers": []}


@pytest.fixture
def note(tmp_path: Path) -> OpenRollback:
    """The note of a host on which no rollback is under way."""
    return OpenRollback(production(tmp_path, incident(tmp_path)))


def execute(note: OpenRollback, change: Action) -> None:
    for action in change.commands:
        assert isinstance(action, Command)
        note._file._production.host.check(action)


def test_opened_and_closed(note: OpenRollback) -> None:
    """What failed and what is returned to is read back as written, and is gone when the rollback is closed."""
    assert note.read() is None
    execute(note, note.open("i-1", ORIGIN, "v1"))
    found = note.read()
    assert found is not None
    assert (found["incident"], found["target"]) == ("i-1", "v1")
    assert found["before"] == {key: ORIGIN[key] for key in ("tags", "digests", "log_errors")}
    assert Path(note.path).parent.stat().st_mode & 0o777 == 0o700
    assert note.close().already() is None
    execute(note, note.close())
    assert note.read() is None
    assert note.close().already() == "no rollback is under way"


@pytest.mark.parametrize(
    ("running", "concerned"),
    [(["v2"], True), (["v1"], True), (["v1", "v2"], True), (["v3"], False), (["v2", "v3"], False)],
)
def test_note_concerns_the_releases_that_it_names(note: OpenRollback, running: list[str], concerned: bool) -> None:  # noqa: FBT001
    """The note speaks while the failed release, its target or both run; about anything else it is left over."""
    execute(note, note.open("i-1", ORIGIN, "v1"))
    assert (note.for_running_tags(running) is not None) is concerned


@pytest.mark.parametrize(
    ("origin", "target", "already"),
    [(ORIGIN, "v1", True), (ORIGIN, "v0", False), (ORIGIN | {"tags": ["v3"]}, "v1", False)],
)
def test_the_same_rollback_is_not_opened_twice(
    note: OpenRollback,
    origin: dict[str, Any],
    target: str,
    already: bool,  # noqa: FBT001
) -> None:
    """Open already is the one with the same failed release and the same target, and no other."""
    execute(note, note.open("i-1", ORIGIN, "v1"))
    assert (note.open("i-2", origin, target).already() is not None) is already


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", json.dumps({"incident": "i", "since": "", "target": "v1", "before": {"tags": []}})]
)
def test_note_that_cannot_be_read_is_not_no_note(note: OpenRollback, content: str) -> None:
    """A note that is torn or of another form stops, and says where it lies."""
    Path(note.path).parent.mkdir()
    Path(note.path).write_text(content)
    with pytest.raises(Inconclusive, match="cannot be read"):
        note.read()


def test_rollback_over_another_keeps_the_first_failure_and_every_target(note: OpenRollback) -> None:
    """A to v1 broke off behind its switch, B goes to v0: what runs (v1) is still part of the story, and v2 failed."""
    execute(note, note.open("i-1", ORIGIN, "v1"))
    under_way = note.for_running_tags(["v1"])
    assert under_way is not None
    execute(note, note.open("i-2", under_way["before"], "v0", under_way))
    found = note.for_running_tags(["v1", "v0"])
    assert found is not None
    assert (found["incident"], found["target"], found["before"]["tags"]) == ("i-2", "v0", ["v2"])
    assert incidents_of(found) == ["i-1", "i-2"]
    assert note.for_running_tags(["v3"]) is None
    execute(note, note.open("i-2", found["before"], "v0", found))
    again = note.read()
    assert again is not None
    assert incidents_of(again) == ["i-1", "i-2"]
