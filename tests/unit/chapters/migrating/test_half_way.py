"""The schema before a migration: recorded before traffic is paused, and never read after a failed attempt."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.actions import Action, ActionName
from runbook.chapters.migrating import half_way
from runbook.chapters.migrating.migrate_command import Direction
from runbook.errors import CommandFailed, Inconclusive
from runbook.hosts.command import Command
from runbook.incident.executor import Executor
from runbook.migrations.catalog import WHOLE_CATALOG
from tests.support.incident_parts import incident
from tests.support.parts import host

BEFORE = ("column", "public.orders.note", "text")
AFTER = ("table", "public.orders", "table")


class Database:
    """A database with a catalog, or one that does not answer."""

    def __init__(self, *catalog: tuple[str, str, str]) -> None:
        self.catalog: tuple[tuple[str, str, str], ...] | None = catalog
        self.asked = 0

    def ask(self, query: str, *, deadline: float) -> list[list[str]]:
        assert query == WHOLE_CATALOG
        assert deadline
        self.asked += 1
        if self.catalog is None:
            raise Inconclusive("the database does not answer", "look at it")
        return [list(row) for row in self.catalog]


def parts(folder: Path, database: Database) -> Any:
    found = incident(folder)
    found.record_fact("schema", ["r2"])
    return SimpleNamespace(incident=found, database=database)


def resumed(context: Any, folder: Path) -> Any:
    """Return the incident in its next run."""
    entries = context.incident.journal.entries
    (folder / "next").mkdir()
    found = incident(folder / "next")
    found.go_on_from(entries)
    found.journal.entries = entries
    return SimpleNamespace(incident=found, database=context.database)


def migrated(found: Executor, context: Any, name: ActionName = ActionName.DOWNGRADE) -> None:
    """Begin a downgrade or an upgrade that fails."""
    during = half_way.told(context, Direction(name), "r1")
    change = Action(name, "the schema is migrated", (Command(("false",), 10),), during=lambda: during)
    with pytest.raises(CommandFailed):
        found.execute(change, host())


@pytest.fixture(autouse=True)
def as_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the migration's own error. The report on a failed migration has other tests."""
    monkeypatch.setattr(half_way, "_stopped", lambda *told: told[-1])


def noted(context: Any) -> Any:
    before = context.incident.facts.schema_before
    return before and (before.revisions, before.catalog)


def test_noted_once(tmp_path: Path) -> None:
    """A recorded schema is not read again behind the closed gate."""
    context = parts(tmp_path, Database(BEFORE))
    half_way.note(context)
    context.database.catalog = (AFTER,)
    half_way.note(context)
    migrated(context.incident, context)
    assert noted(context) == (("r2",), (BEFORE,))
    assert context.database.asked == 1


def test_next_run_holds_it_against_the_first(tmp_path: Path) -> None:
    """The next run keeps the schema that the first run recorded, although a migration has changed it."""
    context = parts(tmp_path, Database(BEFORE))
    half_way.note(context)
    migrated(context.incident, context)
    context.database.catalog = (AFTER,)
    again = resumed(context, tmp_path)
    half_way.note(again)
    migrated(again.incident, again)
    assert noted(again) == (("r2",), (BEFORE,))


def test_asked_once_more_behind_the_gate(tmp_path: Path) -> None:
    """A schema that could not be read before traffic was paused is read right before the migration."""
    context = parts(tmp_path, Database())
    context.database.catalog = None
    half_way.note(context)
    assert noted(context) is None
    context.database.catalog = (BEFORE,)
    migrated(context.incident, context)
    assert noted(context) == (("r2",), (BEFORE,))


@pytest.mark.parametrize("name", [ActionName.DOWNGRADE, ActionName.UPGRADE])
def test_what_a_first_try_left_is_no_beginning(tmp_path: Path, name: ActionName) -> None:
    """If the first run could not read the schema, the next does not record a half-migrated one as the schema before."""
    context = parts(tmp_path, Database())
    context.database.catalog = None
    half_way.note(context)
    migrated(context.incident, context, name)
    context.database.catalog = (AFTER,)
    again = resumed(context, tmp_path)
    half_way.note(again)
    migrated(again.incident, again, name)
    assert noted(again) is None
