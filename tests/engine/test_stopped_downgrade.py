"""A rollback of a breaking migration that is stopped after the downgrade goes on when it is typed again."""

import signal

from rehearsal.database import sql
from tests.engine.conftest import running
from tests.engine.judging import Scene, arguments, told
from tests.engine.test_stopped import gate, stopped

LIVE = "2025-12-15-rc1"


class TestStoppedDowngrade:
    """The schema is back, and the failed release is stopped, when the run is."""

    incident = "breaking-migration"

    def test_goes_on_with_the_restore_point_of_the_first_run(self, scene: Scene) -> None:
        """The second run only switches the images; rows are unchanged, and people read where the restore point is."""
        here, left = scene
        words = "the schema is what the code of the target maps"
        first = stopped(here, words, signal.SIGTERM, "--accept-loss", "0004_customers")
        assert first.exit_code == 2, first.terminal
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0003_heartbeats"]
        assert gate(here) == "closed"
        assert "--accept-loss 0004_customers --execute" in " ".join(first.terminal.split())
        (dump,) = (here.practice.server / ".runbook").glob("*.dump")
        content = dump.read_bytes()

        second = here.run(*arguments(self.incident, here))
        assert second.exit_code == 0, second.terminal
        assert (running(here, "api"), running(here, "jobs")) == (LIVE, LIVE)
        assert gate(here) == "open"
        assert here.practice.ask("/orders").headers["X-Release"] == LIVE
        assert left.content_now(here.practice) == left.content
        assert list((here.practice.server / ".runbook").glob("*.dump")) == [dump]
        assert dump.read_bytes() == content
        announced, ticket = told(here)
        assert str(dump) in announced
        assert "Reconcile the data drift" in ticket
