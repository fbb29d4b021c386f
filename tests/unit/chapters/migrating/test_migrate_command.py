"""The commands that upgrade or downgrade the schema, and their trial in the plan."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from runbook.chapters.migrating.migrate_command import Direction, harmless, running, starts, words
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from tests.support.incident_parts import DEADLINES, incident, production

UP, DOWN = Direction.UPGRADE, Direction.DOWNGRADE
FLASK = ("flask", "db", "downgrade", "{revision}")
PREFECT = ("prefect", "server", "database", "downgrade", "-r", "{revision}", "-y")


def context(folder: Path, answers: Mapping[str, str] | None = None, service: Any = None, **settings: Any) -> Any:
    """The parts of a production at r3, where `docker compose run` prints `answers`."""
    found = incident(folder)
    config = json.dumps({"services": {"api": service or {}}})
    return SimpleNamespace(
        incident=found,
        host=(site := production(folder, found, {"config --format json": config, **(answers or {})})).host,
        production=site,
        database=SimpleNamespace(revisions=lambda: ("r3",)),
        settings=SimpleNamespace(
            database=DatabaseSettings(user="shop", name="shop"),
            migrations=MigrationSettings.model_validate(settings),
            project=Project.model_validate({"name": "shop", "directory": str(folder)}),
            deadlines=DEADLINES,
        ),
    )


@pytest.mark.parametrize(
    ("own", "argv", "tried"),
    [
        pytest.param(FLASK, ("flask", "db", "downgrade", "r1"), ("flask", "db", "downgrade", "--help"), id="flask"),
        pytest.param(
            PREFECT,
            ("prefect", "server", "database", "downgrade", "-r", "r1", "-y"),
            ("prefect", "server", "database", "downgrade", "--help"),
            id="prefect",
        ),
        pytest.param(
            ("python", "-m", "app.migrate", "--to={revision}"),
            ("python", "-m", "app.migrate", "--to=r1"),
            ("python", "-m", "app.migrate", "--help"),
            id="in one word",
        ),
    ],
)
def test_own_command(own: tuple[str, ...], argv: tuple[str, ...], tried: tuple[str, ...]) -> None:
    """The application's own command gets the revision; its trial asks for help, without a revision."""
    settings = MigrationSettings(downgrade=own)
    assert words(settings, DOWN, "r1") == argv
    assert harmless(settings, DOWN) == tried
    assert words(settings, UP, "r4")[:3] == ("python3", "-m", "alembic"), "the other way is Alembic's"
    assert harmless(MigrationSettings(downgrade=own, trial=("flask", "db", "current")), DOWN)[-1] == "current"


def test_upgrade_needs_no_revision() -> None:
    """An upgrade command may omit the revision."""
    settings = MigrationSettings(upgrade=("flask", "db", "upgrade"))
    assert words(settings, UP, "r4") == ("flask", "db", "upgrade")
    assert harmless(settings, UP) == ("flask", "db", "upgrade", "--help")


@pytest.mark.parametrize(
    "wrong",
    [
        {"downgrade": ["flask", "db", "downgrade"]},
        {"downgrade": ["{revision}"]},
        {"trial": ["flask", "db", "current"]},
    ],
)
def test_commands_that_are_refused(wrong: dict[str, list[str]]) -> None:
    """A downgrade without a revision or a program is refused, and so is a trial without an upgrade or downgrade."""
    with pytest.raises(ValidationError):
        MigrationSettings.model_validate(wrong)


def test_first_word_is_the_entrypoint(tmp_path: Path) -> None:
    """The command's program replaces the entrypoint of the image and of the Compose file."""
    parts = context(tmp_path, python="/app/.venv/bin/python")
    argv = running(parts, "v2", DOWN, "r1").argv
    place = argv.index("--entrypoint")
    assert argv[place + 1 :] == (
        "/app/.venv/bin/python", "api", "-m", "alembic", "--config", "alembic.ini", "--name", "alembic",
        "downgrade", "r1",
    )  # fmt: skip
    assert argv[argv.index("--name") + 1] == "shop-downgrade"


def test_service_keeps_its_own_options(tmp_path: Path) -> None:
    """The service's own PGOPTIONS (a search path, say) are kept, and the time limits follow them."""
    parts = context(tmp_path, service={"environment": {"PGOPTIONS": "-c search_path=shop"}})
    argv = running(parts, "v2", DOWN, "r1").argv
    limits = "-c lock_timeout=10s -c statement_timeout=300s"
    assert argv[argv.index("--env") + 1] == f"PGOPTIONS=-c search_path=shop {limits}"
    assert f"PGOPTIONS=-c search_path=shop {limits}" in running(parts, "v2", UP, "r4").argv


def test_fixed_address_is_left_to_the_service(tmp_path: Path) -> None:
    """The migration's container requests no fixed address, because the service's container has it."""
    networks = {"front": {"ipv4_address": "10.0.0.7"}, "back": None}
    command = running(context(tmp_path, service={"networks": networks}), "v2", UP, "r4")
    assert command.stdin == b'services: {"api": {networks: {"front": {ipv4_address: !reset null}}}}\n'
    assert command.argv[command.argv.index("run") - 2 :][:2] == ("-f", "-")


@pytest.mark.parametrize(
    ("answer", "ok", "seen"),
    [
        pytest.param("r3 (head)\n", True, "finds the database at r3", id="same"),
        pytest.param("a word\nr3\n", True, "finds the database at a, r3", id="talks"),
        pytest.param("r2\n", False, "finds the database at r2; psql finds it at r3", id="another database"),
        pytest.param("", False, "at no revision; psql finds it at r3", id="empty database"),
    ],
)
def test_alembic_is_tried_on_the_same_database(tmp_path: Path, answer: str, ok: bool, seen: str) -> None:  # noqa: FBT001
    """Alembic must find the revision that psql finds; otherwise it uses another database, or none."""
    observe = starts(context(tmp_path, {" -m alembic --config alembic.ini --name alembic current": answer}), "v2", DOWN)
    found = observe.observe()
    assert (found.ok, found.final) == (ok, True)
    assert seen in found.seen


def test_command_that_does_not_start(tmp_path: Path) -> None:
    """A command that fails stops the plan, with its own output and the settings to change."""
    observe = starts(context(tmp_path), "v2", DOWN)
    found = observe.observe()
    assert not found.ok
    assert "ended with exit code 1: no answer to" in found.seen
    assert "migrations.python" in observe.next_step


def test_own_command_is_tried_alone(tmp_path: Path) -> None:
    """The application's command is tried without a network, as it may ignore --help; `migrations.trial` has one."""
    parts = context(tmp_path, {"-f - run": "Usage: flask"}, downgrade=FLASK)
    assert starts(parts, "v2", DOWN).observe().ok
    (tmp_path / "named").mkdir()
    named = context(
        tmp_path / "named",
        {"--entrypoint flask api db current": "r3"},
        downgrade=FLASK,
        trial=("flask", "db", "current"),
    )
    assert starts(named, "v2", DOWN).observe().ok
