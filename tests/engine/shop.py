"""One practice production for many tests: started once, and reset to a release's first state for each incident."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from rehearsal.docker_host.engine import plugin_dirs
from rehearsal.env_file import set_tag
from rehearsal.incidents.catalogue import Planted, find_incident
from rehearsal.incidents.database import sql
from rehearsal.practice_production import PracticeProduction
from tests.engine.conftest import ROOT, Rehearsed, docker, hasten
from tests.engine.same_end import strays

_MAINTENANCE = "postgres"
_PATIENCE = 90  # seconds until the commands of a killed run must have ended


@dataclass(frozen=True)
class _Baseline:
    """The state of production when a release was validated: the host's folder, and the database's template."""

    server: Path
    database: str


class Shop:
    """The production of one test process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._baselines: dict[str, _Baseline] = {}
        self._raised = False
        #: The result of `rehearsed`, until another incident is planted.
        self.rehearsed: Rehearsed | None = None
        self.practice = PracticeProduction(ROOT, print, plugin_dirs=plugin_dirs())

    def plant(self, name: str, folder: Path) -> tuple[Rehearsed, Planted]:
        """Reset production to the validated live release, plant an incident, and keep its records in `folder`."""
        incident = find_incident(name)
        self.rehearsed = None
        self.live(incident.live)
        here = Rehearsed(self.practice, folder / "reports")
        here.reports.mkdir(exist_ok=True)
        return here, incident.break_production(self.practice)

    def live(self, tag: str) -> None:
        """Reset production to where that release is live, validated, and used by its first customers."""
        if not self._raised:
            self.practice.raise_up(tag)
            hasten(self.practice)
            self._raised = True
            self._validate(tag)
        elif tag in self._baselines:
            self._restore(self._baselines[tag])
            set_tag(self.practice.server / ".env", tag)
            self.practice.engine.compose(self.practice.server, "pull", "--quiet", "api", "jobs")
        else:
            self._restore(next(iter(self._baselines.values())))
            shutil.rmtree(self.practice.server / ".runbook")
            self.practice.deploy(tag)
            self.practice.wait_ready(tag)
            self._validate(tag)

    def _validate(self, tag: str) -> None:
        """Validate the release as CI does, and keep the state of production."""
        validated = Rehearsed(self.practice, self._folder / tag).run("-m", "post_deploy")
        assert validated.exit_code == 0, validated.terminal
        server, database = self._folder / f"{tag}-server", f"kept_{len(self._baselines)}"
        shutil.copytree(self.practice.server, server)
        # A template database must have no connections.
        self._stop()
        self._administer(f'CREATE DATABASE "{database}" TEMPLATE shop')
        self._baselines[tag] = _Baseline(server, database)

    def _restore(self, baseline: _Baseline) -> None:
        practice = self.practice
        practice.wait_for(lambda: "; ".join(strays(practice)) or None, "nothing at work any more", _PATIENCE)
        self._stop()
        found = sql(
            practice,
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' AND datname !~ '^kept_'",
            database=_MAINTENANCE,
        )
        for database in found:
            self._administer(f'DROP DATABASE "{database}" WITH (FORCE)')
        self._administer(f'CREATE DATABASE shop TEMPLATE "{baseline.database}" OWNER shop')
        for path in practice.server.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(baseline.server, practice.server, dirs_exist_ok=True)
        docker("exec", f"{practice.name}-gateway-1", "gate", "open")
        self._empty_desk()

    def _stop(self) -> None:
        self.practice.engine.compose(self.practice.server, "rm", "--stop", "--force", "--volumes", "api", "jobs")

    def _administer(self, statement: str) -> None:
        sql(self.practice, statement, database=_MAINTENANCE)

    def _empty_desk(self) -> None:
        """Restart the desk, which keeps announcements and tickets only in memory."""
        docker("restart", "--time", "0", f"{self.practice.name}-outside-desk-1")

        def answers() -> str | None:
            status = httpx.get(f"{self.practice.desk_url}/healthz", timeout=2, trust_env=False).status_code
            return None if status == httpx.codes.OK else f"HTTP {status}"

        self.practice.wait_for(answers, "the desk answering", 20)


@contextmanager
def shop_in(folder: Path) -> Iterator[Shop]:
    """Yield a production whose baselines are in `folder`. It is taken down at the end."""
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.practice.take_down()
