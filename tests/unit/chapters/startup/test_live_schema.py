"""Production's schema is read by the engine, and its content is not recorded."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.startup.live_schema import live_schema
from runbook.errors import CommandFailed
from runbook.migrations.database import Database
from runbook.settings.database import DatabaseSettings
from tests.support.engine_server import FakeEngine, container
from tests.support.incident_parts import DEADLINES, incident, production

COMPOSE = "com.docker.compose"
LABELS = {f"{COMPOSE}.project": "shop", f"{COMPOSE}.service": "db", f"{COMPOSE}.oneoff": "False"}


def context(folder: Path, inside: Callable[[str, list[str]], tuple[int, str, str] | str]) -> Any:
    found, settings = incident(folder), DatabaseSettings(user="shop", name="shop")
    made = production(folder, found, engine=FakeEngine([container("c1", labels=LABELS)], inside=inside))
    return SimpleNamespace(
        incident=found, host=made.host, production=made, database=Database(made, settings),
        settings=SimpleNamespace(database=settings, deadlines=DEADLINES),
    )  # fmt: skip


def answer(_container: str, argv: list[str]) -> tuple[int, str, str]:
    if argv[0] == "psql":
        return 0, "r2\n" if "version_num" in argv[-1] else "public,orders,id\n", ""
    return 0, f"-- s3cr3t of {argv[0]}\n", ""


def test_what_is_copied(tmp_path: Path) -> None:
    """The engine reads roles without passwords, the schema without rows, and the revisions; no content is recorded."""
    parts = context(tmp_path, answer)
    found = live_schema(parts)
    parts.host.engine.close()
    assert (found.roles, found.dump) == (b"-- s3cr3t of pg_dumpall\n", b"-- s3cr3t of pg_dump\n")
    assert (found.revisions, found.columns) == (("r2",), frozenset({("public", "orders", "id")}))
    commands = [entry for entry in parts.incident.journal.entries if entry["kind"] == "command"]
    assert all(entry["by_engine"] for entry in commands)
    assert any("--roles-only --no-role-passwords" in entry["command"] for entry in commands)
    assert "s3cr3t" not in (tmp_path / "journal.jsonl").read_text()


def test_schema_that_cannot_be_read(tmp_path: Path) -> None:
    """If the schema cannot be read, the error has PostgreSQL's words."""
    parts = context(tmp_path, lambda *_: (1, "", "pg_dump: error: permission denied for table orders"))
    with pytest.raises(CommandFailed, match="ended with exit code 1: pg_dump: error: permission denied"):
        live_schema(parts)
    parts.host.engine.close()
