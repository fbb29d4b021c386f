"""The practice production for all contenders, reset to the same state before each of them."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rehearsal.docker_host.engine import plugin_dirs
from rehearsal.env_file import set_tag
from rehearsal.incidents.catalogue import LIVE, find_incident
from rehearsal.incidents.database import sql
from rehearsal.practice_production import PracticeProduction

ROOT = Path(__file__).parents[1]
_KEPT = "kept_for_bench"


class Ground:
    """One production. `folder` holds the records and the saved first state."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="runbook-bench-"))
        self.practice = PracticeProduction(ROOT, _say, plugin_dirs=plugin_dirs())

    @property
    def environment(self) -> dict[str, str]:
        """The environment of contenders, with docker's registry login and the public address."""
        own = {"DOCKER_CONFIG": str(self.practice.folder / "docker-config"), "GATEWAY": self.practice.gateway_url}
        return {**os.environ, **own}

    def raise_up(self) -> None:
        """Start the production, validate its release as CI does, and save its state."""
        self.practice.raise_up(LIVE)
        self.suite("-m", "post_deploy")
        shutil.copytree(self.practice.server, self.folder / "server")
        self._stop()
        sql(self.practice, f'CREATE DATABASE "{_KEPT}" TEMPLATE shop', database="postgres")

    def plant(self, incident: str) -> None:
        """Reset the production to the saved state, and plant an incident, except for `post_deploy`."""
        self._stop()
        sql(self.practice, "DROP DATABASE shop WITH (FORCE)", database="postgres")
        sql(self.practice, f'CREATE DATABASE shop TEMPLATE "{_KEPT}" OWNER shop', database="postgres")
        for path in self.practice.server.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.folder / "server", self.practice.server, dirs_exist_ok=True)
        self._docker("exec", f"{self.practice.name}-gateway-1", "gate", "open")
        set_tag(self.practice.server / ".env", LIVE)
        self.practice.engine.compose(self.practice.server, "up", "--detach")
        self.practice.wait_ready(LIVE, 120)
        if incident != "post_deploy":
            find_incident(incident).break_production(self.practice)

    def suite(self, *arguments: str) -> None:
        """Run the runbook. Raises CalledProcessError if it fails."""
        command = [*self.runbook, *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    @property
    def runbook(self) -> list[str]:
        """The beginning of every command that runs the runbook."""
        reports = str(self.folder / "reports")
        features, settings = str(ROOT / "features"), str(self.practice.settings)
        return [sys.executable, "-m", "pytest", features, "--settings", settings, "--reports", reports]

    def take_down(self) -> None:
        """Remove everything."""
        self.practice.take_down()
        shutil.rmtree(self.folder)

    def _stop(self) -> None:
        self.practice.engine.compose(self.practice.server, "rm", "--stop", "--force", "--volumes", "api", "jobs")

    def _docker(self, *arguments: str) -> None:
        subprocess.run(["docker", *arguments], env=self.environment, check=True, stdout=subprocess.DEVNULL)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is a command line
