"""Migrations by the application's own commands: their output decides, and unknown never counts as good."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import handle_migrations, migration_facts, strategy
from runbook.chapters.migrating import loss_acceptance, schema_revisions
from runbook.errors import Inconclusive
from runbook.incident.facts import Strategy
from runbook.incident.options import Options
from runbook.migrations.database import Database
from runbook.migrations.image.report import to_json
from runbook.settings.absent import Absent
from runbook.settings.database import DatabaseSettings, MigrationSettings
from runbook.settings.schema import Project
from tests.support.incident_parts import DEADLINES, incident, production

OWN = MigrationSettings(
    tool="own",
    current=("manage", "now"),
    heads=("manage", "files"),
    downgrade=("manage", "migrate", "shop", "{revision}"),
)


def context(folder: Path, now: str, files: str, *, options: Options | None = None, database: bool = True) -> Any:
    """A production whose application prints `now` for the database and `files` for its image."""
    found = incident(folder)
    answers = {"api now": now, "api files": files, "config --format json": json.dumps({"services": {"api": {}}})}
    site = production(folder, found, answers)
    settings = SimpleNamespace(
        migrations=OWN,
        database=DatabaseSettings(user="shop", name="shop") if database else None,
        project=Project.model_validate({"name": "shop", "directory": str(folder)}),
        deadlines=DEADLINES,
    )
    found.record_fact("origin", {"tags": ["v2"], "digests": {}, "log_errors": {}})
    return SimpleNamespace(incident=found, production=site, host=site.host, settings=settings, asked_images={},
                           options=options or Options(), database=Database(site, None))  # fmt: skip


def judged(parts: Any) -> Any:
    """Read the revisions and decide as chapter 1 does."""
    assert migration_facts.read_revision(parts).observe().ok
    parts.incident.record_fact("target migrations", to_json(schema_revisions.heads(parts, "v1")))
    assert migration_facts.read_failed(parts).observe().ok
    return strategy.record_decision(parts).observe()


def test_same_revisions_are_unchanged(tmp_path: Path) -> None:
    """Revisions are read in any order, with or without text after them."""
    parts = context(tmp_path, "shop.0002 (applied)\nauth.0012\n", "auth.0012\nshop.0002\n")
    assert judged(parts).ok
    assert parts.incident.facts.verdict.verdict == "unchanged"
    assert parts.incident.facts.strategy is Strategy.IMAGE_ONLY
    assert schema_revisions.revisions(parts) == ("auth.0012", "shop.0002")


def test_other_revisions_are_for_a_person(tmp_path: Path) -> None:
    """Nothing is decided without a person, because no SQL is read; a person's downgrade has an unknown loss."""
    parts = context(tmp_path, "0003\n", "0002\n")
    assert not judged(parts).ok
    assert parts.incident.facts.verdict.verdict == "review"
    assert parts.incident.facts.strategy is None
    parts.options = Options(verdict="breaking", because="the column is gone")
    assert judged(parts).ok
    assert parts.incident.facts.strategy is Strategy.DOWNGRADE
    usable = handle_migrations.usable(parts).observe()
    assert usable.ok
    assert "manage migrate shop 0002" in usable.seen
    assert loss_acceptance._revision(parts) == "0002"
    assert [str(loss) for loss in loss_acceptance._losses(parts)] != []
    assert handle_migrations.as_target_maps(parts).not_configured is Absent.MODELS


@pytest.mark.parametrize(
    ("lacks", "change"),
    [("[database], which a restore point needs", {"database": False}), ("migrations.downgrade", {"downgrade": ()})],
)
def test_nobody_is_offered_a_downgrade_that_the_settings_cannot_do(
    tmp_path: Path, lacks: str, change: dict[str, Any]
) -> None:
    """The plan names the missing setting and does not offer `--verdict breaking`, which would fail at the next step."""
    parts = context(tmp_path, "0002\n", "0001\n", database=change.get("database", True))
    parts.settings.migrations = OWN.model_copy(
        update={name: each for name, each in change.items() if name in "downgrade"}
    )
    assert not judged(parts).ok
    check = strategy.record_decision(parts)
    assert (check.decided_by, check.acceptable) == ((), False)
    assert f"the settings lack {lacks}" in check.next_step
    assert "--verdict additive" in check.next_step
    assert "breaking" not in check.next_step


def test_forward_fix_is_not_offered_to_own_commands(tmp_path: Path) -> None:
    """With the application's own commands no forward-fix is offered."""
    parts = context(tmp_path, "0002\n", "0001\n")
    assert not judged(parts).ok
    check = strategy.record_decision(parts)
    assert check.decided_by[:2] == ("--verdict", "breaking")
    assert "--forward-fix" not in check.next_step
    assert parts.incident.facts.verdict.forward_fix is False


def test_no_downgrade_without_a_restore_point(tmp_path: Path) -> None:
    """Without [database] no downgrade is possible, because there would be no restore point."""
    parts = context(tmp_path, "0003\n", "0002\n", options=Options(verdict="breaking", because="x"), database=False)
    judged(parts)
    seen = handle_migrations.usable(parts).observe()
    assert (seen.ok, "[database]" in seen.seen) == (False, True)


@pytest.mark.parametrize("printed", ["", "\n \n", "[X] shop.0001\n", "error: no database\n"])
def test_what_is_no_revision_is_not_known(tmp_path: Path, printed: str) -> None:
    """Output without a revision is inconclusive, and the setting to correct is named."""
    with pytest.raises(Inconclusive, match="prints no revision") as caught:
        schema_revisions.revisions(context(tmp_path, printed, "0001\n"))
    assert "migrations.current" in caught.value.next_step


def test_command_that_fails_is_not_known(tmp_path: Path) -> None:
    """A command that fails is inconclusive, with its own output."""
    parts = context(tmp_path, "0001\n", "0001\n")
    parts.settings.migrations = MigrationSettings(tool="own", current=("nothing",), heads=("x",))
    with pytest.raises(Inconclusive, match="ended with exit code 1: no answer to"):
        schema_revisions.revisions(parts)


def test_image_is_asked_without_a_network(tmp_path: Path) -> None:
    """The command that lists an image's migrations runs without a network and without dependencies."""
    parts = context(tmp_path, "0001\n", "0001\n")
    schema_revisions.heads(parts, "v1")
    (command,) = [each["command"] for each in parts.incident.journal.entries
                  if each["kind"] == "command" and "files" in each["command"]]  # fmt: skip
    assert command.startswith("env IMAGE_TAG=v1 docker compose")
    assert " -f - run --rm --no-deps" in command
