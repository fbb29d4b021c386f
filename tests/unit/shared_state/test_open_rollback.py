"""The open rollback: the note on the production host."""

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
    """The note of a host without an open rollback."""
    return OpenRollback(production(tmp_path, incident(tmp_path)))


def execute(note: OpenRollback, change: Action) -> None:
    for action in change.commands:
        assert isinstance(action, Command)
        note._file._production.host.check(action)


def test_opened_and_closed(note: OpenRollback) -> None:
    """The failed release and the target are read back as written, and the note is gone after closing."""
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
    """The note applies if only the failed release, its target or both run; otherwise it is outdated."""
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
    """A rollback counts as already open only with the same failed release and the same target."""
    execute(note, note.open("i-1", ORIGIN, "v1"))
    assert (note.open("i-2", origin, target).already() is not None) is already


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", json.dumps({"incident": "i", "since": "", "target": "v1", "before": {"tags": []}})]
)
def test_note_that_cannot_be_read_is_not_no_note(note: OpenRollback, content: str) -> None:
    """An unreadable or invalid note is inconclusive, and does not count as no note."""
    Path(note.path).parent.mkdir()
    Path(note.path).write_text(content)
    with pytest.raises(Inconclusive, match="cannot be read"):
        note.read()


def test_rollback_over_another_keeps_the_first_failure_and_every_target(note: OpenRollback) -> None:
    """A rollback over an unfinished one keeps the first failed release, every target and both incidents."""
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
