"""Prefect's server, not written for this runbook: held for the true reason, and rolled back, only with settings."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.engine.conftest import ROOT, Ran, docker
from tests.support.campaigns import campaign
from tests.support.journal_schema import problems

pytestmark = campaign

OLD, NEW = "3.8.8", "3.9.1"
REVISION = "91e2b8f3d6a4"  # of 3.9.1


@dataclass
class Prefect:
    """The production of the example."""

    folder: Path
    held: Ran | None = None
    rollback: Ran | None = None
    before: bytes = b""

    @property
    def env_file(self) -> Path:
        return self.folder / "server" / "production.env"

    def script(self, *words: str) -> None:
        argv = [sys.executable, "-m", "docs.examples.prefect.production", words[0], str(self.folder), *words[1:]]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        if "could not fetch the application's packages from PyPI" in done.stderr:
            pytest.skip(f"PyPI cannot be reached: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str) -> Ran:
        """Run the runbook, as a person would."""
        reports = self.folder / "reports"
        known = set(reports.glob("[!.]*/"))
        argv = [sys.executable, "-m", "pytest", "features", "--settings", str(self.folder / "runbook.toml")]
        done = subprocess.run(
            [*argv, "--reports", str(reports), *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip
        ran = Ran(done.returncode, done.stdout, next(iter(set(reports.glob("[!.]*/")) - known), None))
        assert ran.folder is None or problems(ran.folder / "journal.jsonl") == []
        return ran

    def sql(self, statement: str) -> str:
        database = f"{self.folder.name}-db-1"
        return docker("exec", database, "psql", "-U", "prefect", "-d", "prefect", "-Atc", statement)

    def served(self) -> str:
        port = next(
            line.partition("=")[2] for line in self.env_file.read_text().splitlines() if line.startswith("PUBLIC_PORT")
        )
        answer = httpx.get(f"http://127.0.0.1:{port}/api/admin/version", timeout=5, trust_env=False)
        return str(answer.json())

    def stop_migrating_at_start(self) -> None:
        """Do what the team does so that an older release can start on a newer database."""
        text = self.env_file.read_bytes().replace(b"MIGRATE_ON_START=true", b"MIGRATE_ON_START=false")
        self.env_file.write_bytes(text)
        self.script("deploy", NEW)
        settings = self.folder / "runbook.toml"
        settings.write_text(settings.read_text().replace("#at_start", "at_start"))


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """Both releases deployed, planned with Prefect's defaults, and rolled back without migrations at start."""
    here = Prefect(tmp_path_factory.mktemp("prefect") / f"prefect-{uuid.uuid4().hex[:6]}")
    try:
        here.script("up")
        here.script("deploy", NEW)
        here.held = here.run("--to", OLD)
        here.stop_migrating_at_start()
        here.before = here.env_file.read_bytes()
        here.rollback = here.run("--to", OLD, "--execute", here.folder.name)
        yield here
    finally:
        if here.folder.exists():
            here.script("down")


def test_release_that_migrates_when_it_starts_is_held(prefect: Prefect) -> None:
    """3.8.8 would stop at a revision that it does not know, and the plan says so."""
    assert prefect.held is not None
    assert prefect.held.exit_code != 0
    assert "migrations additive → image-only" in " ".join(prefect.held.terminal.split())
    assert "because automation_held_event" in prefect.held.terminal
    assert "api migrates in the start command itself (prefect server)" in " ".join(prefect.held.terminal.split())
    assert "nothing was changed" in prefect.held.terminal


def test_rollback_ends_well(prefect: Prefect) -> None:
    """The table that 3.9.1 added does no harm to 3.8.8, which was told not to migrate."""
    assert prefect.rollback is not None
    assert prefect.rollback.exit_code == 0, prefect.rollback.terminal
    said = [str(entry) for entry in prefect.rollback.of_kind("decision")]
    assert any("automation_held_event: code that does not know the new table" in each for each in said)


def test_production_is_what_was_to_be(prefect: Prefect) -> None:
    """Users are served by 3.8.8, on the schema of 3.9.1, and one line of the env file differs."""
    assert prefect.served() == OLD
    assert prefect.sql("SELECT version_num FROM alembic_version") == REVISION
    assert prefect.sql("SELECT count(*) FROM automation_held_event") == "0"
    line = b"PREFECT_TAG=%s\r\n"
    assert prefect.env_file.read_bytes() == prefect.before.replace(line % NEW.encode(), line % OLD.encode())
    for service in ("api", "background"):
        image = docker("inspect", "--format", "{{.Config.Image}}", f"{prefect.folder.name}-{service}-1")
        assert image.endswith(f"/prefect/server:{OLD}")
    mounts = json.loads(docker("inspect", "--format", "{{json .Mounts}}", f"{prefect.folder.name}-nginx-1"))
    assert str(prefect.folder / "server/gate") in [mount["Source"] for mount in mounts]
