"""Incidents that must be held, with the reason: nothing in production changes, down to a file's inode."""

from pathlib import Path

from rehearsal.incidents.database import sql
from tests.engine.conftest import state
from tests.engine.judging import Scene, headline, held, planned_and_held


class TestIrreversibleMigration:
    """A column was dropped, and `downgrade()` is `pass`."""

    incident = "irreversible-migration"

    def test_held(self, scene: Scene) -> None:
        """Nothing changes, and the reason is on terminal and page."""
        here, _ = scene
        before = state(here)
        ran = planned_and_held(here, self.incident)
        held(here, before, ran, "downgrade() of 0004_euro_only is empty", "--forward-fix TAG")
        assert before["gate"] == "open"
        assert "Production is held as it is: expected a working downgrade" in headline(ran)

    def test_database_that_does_not_answer(self, scene: Scene, tmp_path: Path) -> None:
        """A database that does not answer stops the run before anything changes."""
        here, _ = scene
        before = state(here)
        settings = tmp_path / "runbook.toml"
        text = here.practice.settings.read_text()
        assert 'user = "shop"' in text
        settings.write_text(text.replace('user = "shop"', 'user = "nobody"'))
        ran = here.run("--execute", here.practice.name, settings=settings)
        held(here, before, ran, "the database shop does not answer")

    def test_database_at_two_heads(self, scene: Scene) -> None:
        """A database at two revisions needs a human's decision, and nothing changes."""
        here, _ = scene
        sql(here.practice, "INSERT INTO alembic_version VALUES ('0003_heartbeats')")
        try:
            before = state(here)
            ran = here.run("--execute", here.practice.name)
            held(here, before, ran, "verdict review", "--verdict breaking")
        finally:
            sql(here.practice, "DELETE FROM alembic_version WHERE version_num = '0003_heartbeats'")

    def test_image_without_alembic(self, scene: Scene, tmp_path: Path) -> None:
        """An image without migrations is reported, with the settings to check."""
        here, _ = scene
        before = state(here)
        settings = tmp_path / "runbook.toml"
        text = here.practice.settings.read_text()
        assert 'config = "alembic.ini"' in text
        settings.write_text(text.replace("alembic.ini", "nowhere.ini"))
        ran = here.run("--execute", here.practice.name, settings=settings)
        held(here, before, ran, "cannot be read", "migrations.config")


class TestMigrateOnBoot:
    """The live release before the failed one migrates when it starts, and would fail on the newer schema."""

    incident = "migrate-on-boot"

    def test_held(self, scene: Scene) -> None:
        """The run is held before the gate closes, and nothing changes."""
        here, _ = scene
        before = state(here)
        ran = planned_and_held(here, self.incident)
        held(here, before, ran, "api migrates in ./entrypoint", "--forward-fix TAG")
        assert before["gate"] == "open"
        assert "Production is held as it is: expected a target that does not migrate" in headline(ran)
