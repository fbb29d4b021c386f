"""The downgrade: only usable ones, with the failed release's image, to the target's head."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import handle_migrations
from runbook.hosts.command import Command
from runbook.incident.options import Options
from runbook.migrations.image.report import Migration, Shape, to_json
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from tests.support.image_parts import image, step
from tests.support.incident_parts import COMPOSE, DEADLINES, incident, production


class Database:
    """A database at these revisions, where two rows hold values in every column that is asked for."""

    def __init__(self, *revisions: str, columns: dict[str, set[str]] | None = None) -> None:
        self._revisions = revisions
        self._columns = columns or {}

    def revisions(self) -> tuple[str, ...]:
        return self._revisions

    def columns(self) -> dict[str, set[str]]:
        return self._columns

    def remembering(self) -> AbstractContextManager[None]:
        return nullcontext()

    def values_held(self, _table: str, columns: list[str]) -> dict[str, int]:
        return dict.fromkeys(["*", *columns], 2)


def context(
    folder: Path,
    *steps: Migration,
    options: Options | None = None,
    database: Database | None = None,
    service: dict[str, Any] | None = None,
) -> Any:
    """The parts of a production at r3, with r1 as the target's head; `service` is the api in the Compose file."""
    found = incident(folder)
    found.record_fact("schema", ["r3"])
    found.record_fact("origin", {"tags": ["v2"], "digests": {}, "log_errors": {}})
    found.record_fact("target migrations", to_json(image("r1")))
    down = "ALTER TABLE orders DROP COLUMN note;"
    failed = image("r1", "r2", "r3", steps=steps or (step("r3"), step("r2")), down=down)
    found.record_fact("failed migrations", to_json(failed))
    site = production(folder, found, {"config --format json": json.dumps({"services": {"api": service or {}}})})
    return SimpleNamespace(
        incident=found,
        production=site,
        database=database or Database("r3", columns={"orders": {"note"}}),
        options=options or Options(),
        settings=SimpleNamespace(
            database=DatabaseSettings(user="shop", name="shop", lock_timeout=7, statement_timeout=90),
            migrations=MigrationSettings(section="shop"),
            project=Project.model_validate({"name": "shop", "directory": str(folder)}),
            deadlines=DEADLINES,
        ),
    )


def test_command_that_downgrades(tmp_path: Path) -> None:
    """The failed release's image goes to the target's head by name, in a container that is removed when stopped."""
    change = handle_migrations.undo(context(tmp_path))
    (command,) = change.commands
    assert isinstance(command, Command)
    assert command.argv == (
        "env", "IMAGE_TAG=v2", *COMPOSE, "run", "--rm", "--no-deps", "--no-TTY", "--pull", "never",
        "--name", "shop-downgrade", "--env", "PGOPTIONS=-c lock_timeout=7s -c statement_timeout=90s",
        "--entrypoint", "python3", "api", "-m", "alembic", "--config", "alembic.ini", "--name", "shop",
        "downgrade", "r1",
    )  # fmt: skip
    assert command.if_stopped == ("docker", "rm", "--force", "shop-downgrade")
    assert command.deadline == DEADLINES.migrate


def test_downgrade_is_not_done_twice(tmp_path: Path) -> None:
    """Only a database at the target's head counts as downgraded already."""
    assert handle_migrations.undo(context(tmp_path)).already() is None
    (tmp_path / "again").mkdir()
    assert (
        handle_migrations.undo(context(tmp_path / "again", database=Database("r1"))).already()
        == "the database is at r1"
    )


@pytest.mark.parametrize("shape", [shape for shape in Shape if shape is not Shape.REAL])
def test_downgrade_that_may_undo_nothing(tmp_path: Path, shape: Shape) -> None:
    """One revision without a real downgrade() stops the plan, and is named."""
    seen = handle_migrations.usable(context(tmp_path, step("r3"), step("r2", shape))).observe()
    assert not seen.ok
    assert seen.final
    assert seen.seen == f"downgrade() of r2 is {shape}"


def test_usable_downgrades_are_named_in_their_order(tmp_path: Path) -> None:
    """The revisions to undo are named, newest first."""
    seen = handle_migrations.usable(context(tmp_path)).observe()
    assert (seen.ok, seen.seen) == (True, "to undo, in order: r3, r2")


def test_schema_is_believed_when_the_database_has_it(tmp_path: Path) -> None:
    """A downgrade that exits 0 without a column that the target maps is detected (trap 9)."""
    parts = context(tmp_path, database=Database("r1", columns={"orders": {"id"}, "audit.log": {"id"}}))
    told = parts.incident.facts.target_migrations
    column = {"type": "INTEGER", "nullable": False, "primary_key": True, "client_default": False}
    column["server_default"] = True
    tables = [
        {"schema": None, "name": "orders", "columns": [column | {"name": "id"}, column | {"name": "quantity"}]},
        {"schema": "audit", "name": "log", "columns": [column | {"name": "id"}]},
    ]
    told["models"] = {"tables": tables}
    seen = handle_migrations.as_target_maps(parts).observe()
    assert (seen.ok, seen.seen) == (False, "the database lacks orders.quantity")
    parts.database = Database("r1", columns={"orders": {"id", "quantity"}, "audit.log": {"id"}})
    assert handle_migrations.as_target_maps(parts).observe().seen == "all 3 mapped columns exist"


def test_downgrade_that_was_seen_to_lead_elsewhere(tmp_path: Path) -> None:
    """A downgrade that failed on a copy of the schema is not usable, even if its source looks right."""
    parts = context(tmp_path)
    assert handle_migrations.usable(parts).observe().ok
    parts.incident.record_fact("verdict", {"verdict": "breaking", "evidence": [], "no_way_back": "it changes nothing"})
    seen = handle_migrations.usable(parts).observe()
    assert (seen.ok, seen.seen) == (False, "tried on a copy of the schema: it changes nothing")
