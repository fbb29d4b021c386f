"""A bridge in production, by the catalog, the rows and the note."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.migrating import bridge
from runbook.errors import Inconclusive
from runbook.incident.options import Options
from runbook.incident.schema_facts import Bridge
from runbook.migrations.server import Server
from runbook.settings.database import DatabaseSettings
from runbook.shared_state.bridge_note import BridgeNote
from tests.support.incident_facts import BRIDGE
from tests.support.incident_parts import incident
from tests.support.parts import production

WITHOUT = [["column", "public.orders.note", "text not null"], ["constraint", "public.orders.once", "UNIQUE (note)"]]
BUILT = [["column", "public.orders.note", "text"]]
OTHERWISE = [["column", "public.orders.note", "integer"]]


class Database:
    """A database with a catalog, and with `rows` rows that prevent each relaxation from being undone."""

    def __init__(self, catalog: list[list[str]], server: Server, rows: int = 0) -> None:
        self.catalog, self.server, self.rows = catalog, server, rows

    def ask(self, query: str, *, deadline: float) -> list[list[str]]:
        assert deadline
        if "count(*)" in query:
            assert "SELECT * FROM orders WHERE note IS NULL" in query
            return [[str(self.rows)]]
        return self.catalog if "pg_constraint" in query else []


def parts(folder: Path, catalog: list[list[str]], *, rows: int = 0, note: bool = False) -> Any:
    """The parts of a production with that catalog; `note` records the bridge."""
    found, made = incident(folder), production(folder)
    found.record_fact("bridge", BRIDGE["bridge"])
    found.record_fact("target", BRIDGE["target"])
    settings = DatabaseSettings(user="shop", name="shop")
    context: Any = SimpleNamespace(
        incident=found, production=made, options=Options(strategy="bridge", because="nothing may be lost"),
        bridge_note=BridgeNote(made), database=Database(catalog, Server(made, settings), rows),
        settings=SimpleNamespace(
            database=settings, deadlines=SimpleNamespace(migrate=60), migrations=SimpleNamespace(tool="alembic")
        ),
    )  # fmt: skip
    if note:
        for command in bridge.noting(context).commands:
            made.host.check(command)
        made.remembered.forget()
    return context


@pytest.mark.parametrize(
    ("catalog", "state"),
    [(WITHOUT, bridge.State.WITHOUT), (BUILT, bridge.State.BUILT), (OTHERWISE, bridge.State.OTHERWISE)],
)
def test_what_the_catalog_shows(tmp_path: Path, catalog: list[list[str]], state: bridge.State) -> None:
    """The bridge is built, not built, or neither; in the last case it is not begun, because the schema changed."""
    context = parts(tmp_path, catalog)
    assert bridge.state_of(context, context.incident.facts.bridge) is state
    assert bridge.tried(context).observe().ok is (state is not bridge.State.OTHERWISE)
    assert bridge.built(context).observe().ok is (state is bridge.State.BUILT)
    assert bool(bridge.building(context).already()) is (state is bridge.State.BUILT)


def test_check_that_the_database_writes_in_other_words(tmp_path: Path) -> None:
    """Only the existence of a constraint is compared, because the copy may word its text differently."""
    context = parts(tmp_path, [WITHOUT[0], ["constraint", "public.orders.once", "UNIQUE (public.note)"]])
    assert bridge.state_of(context, context.incident.facts.bridge) is bridge.State.WITHOUT


def test_one_transaction_with_limits(tmp_path: Path) -> None:
    """The bridge is built in one transaction, with the limits for locks and statements set first."""
    (command,) = bridge.building(parts(tmp_path, WITHOUT)).commands
    words = list(command.argv)
    assert "--single-transaction" in words
    assert "ON_ERROR_STOP=1" in words
    assert [words[at + 1] for at, word in enumerate(words) if word == "--command"] == [
        "SET LOCAL lock_timeout = '10s'",
        "SET LOCAL statement_timeout = '300s'",
        "ALTER TABLE orders ALTER COLUMN note DROP NOT NULL",
    ]


def test_note_says_all_that_is_needed_to_undo_it(tmp_path: Path) -> None:
    """The note has the incident, the target, the reason and the bridge's SQL; it is written once."""
    context = parts(tmp_path, BUILT, note=True)
    note = json.loads(Path(context.bridge_note.path).read_text())
    assert (note["incident"], note["target"], note["because"]) == (context.incident.name, "v1", "nothing may be lost")
    assert Bridge.model_validate(note["bridge"]) == context.incident.facts.bridge
    assert "has recorded it since" in str(bridge.noting(context).already())


def test_another_bridge_stands(tmp_path: Path) -> None:
    """A second, different bridge is refused."""
    context = parts(tmp_path, BUILT, note=True)
    other = context.incident.facts.bridge.model_copy(update={"touched": ()})
    context.incident.record_fact("bridge", other)
    with pytest.raises(Inconclusive, match="another bridge exists since"):
        bridge.noting(context)


@pytest.mark.parametrize(
    ("catalog", "rows", "words"),
    [
        (BUILT, 0, "no row prevents"),
        (BUILT, 1, "would make 1 row invalid"),
        (BUILT, 7, "would make 7 rows invalid"),
        (BUILT, 1000, "at least 1000 rows"),
        (WITHOUT, 7, "as it was without"),
    ],
)
def test_rows_against_its_end(tmp_path: Path, catalog: list[list[str]], rows: int, words: str) -> None:
    """Rows that prevent the removal of the bridge are counted, with the statement that lists them."""
    context = parts(tmp_path, catalog, rows=rows, note=True)
    seen = bridge.removable(context).observe()
    assert words in seen.seen
    assert context.incident.facts.schema_before is None, "a migration begins when it is taken away"
    assert seen.ok is ("SELECT * FROM orders WHERE note IS NULL" not in seen.seen)
    assert seen.ok is (rows == 0 or catalog is WITHOUT)


def test_no_bridge_stands(tmp_path: Path) -> None:
    """Without a note there is no bridge to remove, and the current schema is recorded as the one before a migration."""
    context = parts(tmp_path, BUILT, rows=7)
    assert bridge.removable(context).observe().seen == "there is no bridge"
    assert context.incident.facts.schema_before.catalog == tuple(map(tuple, BUILT))


@pytest.mark.parametrize(("catalog", "note", "commands"), [(BUILT, False, 0), (BUILT, True, 2), (WITHOUT, True, 1)])
def test_taken_away(tmp_path: Path, catalog: list[list[str]], note: bool, commands: int) -> None:  # noqa: FBT001
    """The SQL and the note are removed; if the bridge was undone by hand, only the note; without a note, nothing."""
    context = parts(tmp_path, catalog, note=note)
    action = bridge.removing(context)
    assert len(action.commands) == commands
    assert action.already() == (None if note else "there is no bridge")
    if commands == 2:
        assert "SET NOT NULL" in str(action.commands[0])
    if commands == 1:
        context.production.host.check(action.commands[0])
        context.production.remembered.forget()
        assert bridge.removing(context).already() == "there is no bridge"


@pytest.mark.parametrize("text", ["{", "{}", '{"incident": 1, "since": 1, "target": 1, "because": 1, "bridge": {}}'])
def test_note_that_is_none(tmp_path: Path, text: str) -> None:
    """An unreadable note does not count as "no bridge"."""
    context = parts(tmp_path, BUILT, note=True)
    Path(context.bridge_note.path).write_text(text)
    context.production.remembered.forget()
    with pytest.raises(Inconclusive, match="cannot be read"):
        bridge.removable(context).observe()
