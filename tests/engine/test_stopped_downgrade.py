"""A rollback of a breaking migration that is stopped around the downgrade continues, with its journal and without."""

import signal
import subprocess
import time
from collections.abc import Callable

from rehearsal.incidents.database import sql
from tests.engine.conftest import Ran, docker, running
from tests.engine.judging import Scene, arguments, told
from tests.engine.killer import VARIABLE
from tests.engine.same_end import strays
from tests.engine.test_stopped import gate, stopped
from tests.support.campaigns import campaign

LIVE = "2025-12-15-rc1"


class TestStoppedDowngrade:
    """The run is stopped after the schema was downgraded, while the failed release is stopped."""

    incident = "breaking-migration"

    def test_goes_on_with_the_restore_point_of_the_first_run(self, scene: Scene) -> None:
        """The second run only switches the images. Rows are unchanged, and the messages name the restore point."""
        here, left = scene
        words = "the database has every table and column that the target maps"
        first = stopped(here, words, signal.SIGTERM, "--accept-loss", "0004_customers")
        assert first.exit_code == 2, first.terminal
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0003_heartbeats"]
        assert gate(here) == "closed"
        assert f"--resume {first.folder.name} --execute" in " ".join(first.terminal.split())
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


@campaign
class TestKilledDowngrade:
    """The run is killed during the downgrade."""

    incident = "breaking-migration"

    def test_resumed_with_what_was_accepted_before(self, scene: Scene) -> None:
        """Only --resume completes the rollback: strategy, loss and restore point are those of the dead run."""
        here, left = scene
        words = '"state":"begun","commands":["env IMAGE_TAG='
        first = stopped(here, words, signal.SIGKILL, "--accept-loss", "0004_customers")
        assert first.exit_code == -signal.SIGKILL
        second = here.run("--resume", first.folder.name, "--execute", here.practice.name)
        assert second.exit_code == 0, second.terminal
        second.folder = first.folder
        assert (running(here, "api"), running(here, "jobs")) == (LIVE, LIVE)
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0003_heartbeats"]
        assert gate(here) == "open"
        assert left.content_now(here.practice) == left.content
        (dump,) = (here.practice.server / ".runbook").glob("*.dump")
        assert second.fact("restore point")["path"] == str(dump)
        assert second.fact("strategy") == "downgrade"
        losses = [entry["value"] for entry in second.of_kind("fact") if entry["name"] == "loss"]
        assert losses[0] == losses[-1]
        assert docker("ps", "--all", "--quiet", "--filter", f"name={here.practice.name}-downgrade") == ""


class TestCrashedDowngrade:
    """The run and docker's client are killed during the downgrade; the container that performs it is not."""

    incident = "breaking-migration"

    def test_goes_on_as_the_same_incident(self, scene: Scene) -> None:
        """The resumed incident ends as it would have: rows, schema, one restore point, and no commands left running."""
        here, left = scene
        moment = {VARIABLE: "crash:the schema is downgraded:0.4"}
        killed = here.run("-p", "tests.engine.killer", *arguments(self.incident, here), environment=moment)
        assert killed.exit_code == -signal.SIGKILL, killed.terminal
        assert gate(here) == "closed"
        (dump,) = (here.practice.server / ".runbook").glob("*.dump")
        content = dump.read_bytes()

        resumed = here.run("--resume", killed.folder.name, "--execute", here.practice.name)
        assert resumed.exit_code == 0, resumed.terminal
        assert (running(here, "api"), running(here, "jobs")) == (LIVE, LIVE)
        assert gate(here) == "open"
        assert here.practice.ask("/orders").headers["X-Release"] == LIVE
        assert sql(here.practice, "SELECT version_num FROM alembic_version") == ["0003_heartbeats"]
        assert left.content_now(here.practice) == left.content
        assert list((here.practice.server / ".runbook").glob("*.dump")) == [dump]
        assert dump.read_bytes() == content
        assert strays(here.practice) == []
        assert f"{here.practice.name}-downgrade" not in here.ids()
        announced, ticket = told(here)
        assert str(dump) in announced
        assert killed.folder.name in ticket


class TestUsersWereLetIn:
    """The run is killed between restore point and downgrade, and a person resumes traffic before it continues."""

    incident = "breaking-migration"

    def test_what_users_wrote_since_is_not_lost_unseen(self, scene: Scene) -> None:
        """Rows written since are in a new dump, and their loss must be accepted again. The old dump is kept."""
        here, _ = scene
        practice = here.practice
        moment = {VARIABLE: "began:the schema is downgraded"}
        killed = here.run("-p", "tests.engine.killer", *arguments(self.incident, here), environment=moment)
        assert killed.exit_code == -signal.SIGKILL, killed.terminal
        (old,) = (practice.server / ".runbook").glob("*.dump")
        content = old.read_bytes()
        docker("start", f"{practice.name}-api-1", f"{practice.name}-jobs-1")
        docker("exec", f"{practice.name}-gateway-1", "gate", "open")
        wanted = {"customer": "Zoë", "item": "mug", "quantity": 1, "currency": "EUR", "note": "written since"}
        wait_until(lambda: practice.post("/orders", wanted).status_code == 201)

        refused = here.run("--resume", killed.folder.name, "--execute", practice.name)
        assert refused.exit_code != 0, refused.terminal
        assert "more than was accepted in this incident: column orders.note: 3 rows hold values" in words_of(refused)
        assert "--accept-loss 0004_customers" in words_of(refused)
        assert gate(here) == "open"
        assert sql(practice, "SELECT version_num FROM alembic_version") == ["0004_customers"]

        resumed = here.run(
            "--resume", killed.folder.name, "--accept-loss", "0004_customers", "--execute", practice.name
        )
        assert resumed.exit_code == 0, resumed.terminal
        assert (running(here, "api"), gate(here)) == (LIVE, "open")
        assert old.read_bytes() == content
        (new,) = set((practice.server / ".runbook").glob("*.dump")) - {old}
        resumed.folder = killed.folder
        assert resumed.fact("restore point")["path"] == str(new)
        with new.open("rb") as dump:
            argv = ["docker", "exec", "-i", f"{practice.name}-db-1", "pg_restore", "--data-only", "--file", "-"]
            held = subprocess.run(argv, stdin=dump, capture_output=True, text=True, check=True, timeout=60).stdout
        assert "written since" in held
        assert "Zoë" in held


def words_of(ran: Ran) -> str:
    """Return the output of a run, independent of the line width."""
    return " ".join(ran.terminal.split())


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, for up to a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
