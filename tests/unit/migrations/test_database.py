"""Queries to the production database, and the location of Alembic's version table."""

from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Inconclusive
from runbook.migrations.database import Database, version_table
from runbook.settings.database import DatabaseSettings
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import incident, production


def database(folder: Path, answers: dict[str, str], **settings: Any) -> Database:
    there = production(folder, incident(folder), answers, engine=FakeEngine())
    return Database(there, DatabaseSettings(user="shop", name="shop", **settings))


@pytest.mark.parametrize(
    ("settings", "table"),
    [
        ({}, '"alembic_version"'),
        ({"version_schema": "audit"}, '"audit"."alembic_version"'),
        ({"version_schema": "Odd One", "version_table": 'my"versions'}, '"Odd One"."my""versions"'),
    ],
)
def test_revision_is_read_where_the_settings_say(tmp_path: Path, settings: dict[str, str], table: str) -> None:
    """The version table's name and schema are quoted, so that any name works."""
    assert version_table(DatabaseSettings(user="shop", name="shop", **settings)) == table  # type: ignore[arg-type]  # names only
    assert database(tmp_path, {f"FROM {table}": "0004\n0003\n"}, **settings).revisions() == ("0003", "0004")


def test_table_without_a_revision(tmp_path: Path) -> None:
    """An empty version table is inconclusive, and the next step names the setting for another one."""
    with pytest.raises(Inconclusive, match="has no valid revision") as caught:
        database(tmp_path, {"FROM": ""}).revisions()
    assert "database.version_schema" in caught.value.next_step


def test_psql_is_quoted_with_its_error(tmp_path: Path) -> None:
    """Of psql's output, the line that begins with ERROR is shown."""
    asked = database(tmp_path, {})
    script = tmp_path / "bin" / "docker"
    error = 'ERROR:  relation "alembic_version" does not exist'
    script.write_text(f"#!/bin/sh\nprintf '%s\\nLINE 1: SELECT x\\n                 ^\\n' '{error}' >&2; exit 1\n")
    with pytest.raises(Inconclusive, match=r"does not answer: ERROR:  ?relation") as caught:
        asked.revisions()
    assert "database.version_table" in caught.value.next_step


def test_same_is_asked_once_for_one_decision(tmp_path: Path) -> None:
    """While remembering, an answered query is not sent again, a failed one is; afterwards every query is sent."""
    there = database(tmp_path, {"SELECT 1": "one\n"})
    asked: list[str] = []
    ask = there._asked
    there._asked = lambda query, deadline: asked.append(query) or ask(query, deadline)  # type: ignore[func-returns-value,method-assign]  # noted on the way
    with there.remembering():
        there.ask("SELECT 1").clear()
        assert there.ask("SELECT 1", deadline=3) == [["one"]]
        for _ in range(2):
            with pytest.raises(Inconclusive):
                there.ask("SELECT 2")
    assert there.ask("SELECT 1") == [["one"]]
    assert asked == ["SELECT 1", "SELECT 2", "SELECT 2", "SELECT 1"]
