"""Shared by the tests on a real engine: productions with a planted incident, and runs of the runbook on them."""

import atexit
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rehearsal.docker_host.engine import plugin_dirs
from rehearsal.incidents.catalogue import Planted, find_incident
from rehearsal.incidents.database import columns, content_hash, sql, tables
from rehearsal.practice_production import PracticeProduction
from tests.harness.inner import Zygote
from tests.support.journal_schema import problems

if TYPE_CHECKING:
    from tests.engine.shop import Shop

ROOT = Path(__file__).parents[2]
RUN_DEADLINE = 600  # seconds, for one run of the runbook on a busy machine


@dataclass
class Ran:
    """One run of `pytest features`: its exit code, its terminal output, and its journal if it left one."""

    exit_code: int
    terminal: str
    folder: Path | None = None

    @property
    def entries(self) -> list[dict[str, Any]]:
        assert self.folder is not None, self.terminal
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["kind"] == kind]

    def fact(self, name: str) -> Any:
        return [entry["value"] for entry in self.of_kind("fact") if entry["name"] == name][-1]


@dataclass
class Rehearsed:
    """The practice production, its state before the rollback, and the runs on it."""

    practice: PracticeProduction
    reports: Path
    env_before: bytes = b""
    stat_before: os.stat_result | None = None
    ids_before: dict[str, str] = field(default_factory=dict)
    plan: Ran | None = None
    ids_after_plan: dict[str, str] = field(default_factory=dict)
    env_after_plan: bytes = b""
    plan_without_registry: Ran | None = None
    rollback: Ran | None = None

    def run(self, *arguments: str, settings: Path | None = None, environment: Mapping[str, str] | None = None) -> Ran:
        """Run the runbook on this production, as a person would, in a fork with Python and its libraries loaded."""
        known = set(self.reports.glob("[!.]*/"))
        chosen = ("features", "--settings", str(settings or self.practice.settings), "--reports", str(self.reports))
        output = self.reports.parent / "terminal.txt"
        request = {
            "folder": str(ROOT),
            "output": str(output),
            "arguments": (*chosen, *arguments),
            # An exported tag must not decide anything. It is set in every run.
            "environment": os.environ | {"IMAGE_TAG": "exported-by-somebody"} | dict(environment or {}),
        }
        exit_code = _zygote().run(request)
        ran = Ran(exit_code, output.read_text(), next(iter(set(self.reports.glob("[!.]*/")) - known), None))
        assert ran.folder is None or problems(ran.folder / "journal.jsonl") == []
        return ran

    def ids(self) -> dict[str, str]:
        """Return the container ids of production and of the outside world, by name."""
        listed = docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines()
        pairs = dict(line.split() for line in listed)
        return {name: identity for name, identity in pairs.items() if name.startswith(f"{self.practice.name}-")}

    @contextmanager
    def registry_down(self) -> Iterator[None]:
        """Stop the registry inside the block. The container stays the same one."""
        name = f"{self.practice.name}-outside-registry-1"
        docker("stop", name)
        try:
            yield
        finally:
            docker("start", name)
            self.practice.wait_for(self._registry_answers, "the registry answering", 20)

    def _registry_answers(self) -> str | None:
        status = httpx.get(f"{self.practice.registry_url}/v2/", trust_env=False).status_code
        return None if status == 401 else f"HTTP {status}"

    def docker(self, *arguments: str) -> str:
        """Return docker's output on this production's host."""
        return self.practice.engine.docker(*arguments).strip()

    @property
    def env_file(self) -> Path:
        return self.practice.server / ".env"


@cache
def _zygote() -> Zygote:
    """Return the process that runs are forked from. It saves two seconds per run."""
    made = Zygote(RUN_DEADLINE)
    atexit.register(made.close)
    return made


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def hasten(practice: PracticeProduction) -> None:
    """Lower `deadlines.stable` to one second, which is enough here and halves the duration of a run."""
    with practice.settings.open("a") as settings:
        settings.write("\n[deadlines]\nstable = 1\n")


@contextmanager
def planted(name: str, folder: Path, *, remote: int = 0) -> Iterator[tuple[Rehearsed, Planted]]:
    """Plant an incident on a new production. Its records go into `folder`."""
    practice = PracticeProduction(ROOT, print, plugin_dirs=plugin_dirs(), remote=remote)
    here = Rehearsed(practice, folder / "reports")

    def validate(_: PracticeProduction) -> None:
        hasten(practice)
        validated = here.run("-m", "post_deploy")
        assert validated.exit_code == 0, validated.terminal

    try:
        yield here, find_incident(name).plant(practice, validate)
    finally:
        practice.take_down()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Shop]":
    """The production that the tests of this process share, one after the other."""
    from tests.engine.shop import shop_in  # noqa: PLC0415 - it imports this module

    with shop_in(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture(scope="class")
def scene(
    request: pytest.FixtureRequest, shop: "Shop", tmp_path_factory: pytest.TempPathFactory
) -> tuple[Rehearsed, Planted]:
    """The shop, with the class's incident planted."""
    return shop.plant(request.cls.incident, tmp_path_factory.mktemp(request.cls.incident))


@pytest.fixture(scope="module")
def broken(shop: "Shop", tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """The shop with `regression` planted. No runbook has run since."""
    here, _ = shop.plant("regression", tmp_path_factory.mktemp("regression"))
    return here


@pytest.fixture(scope="module")
def rehearsed(shop: "Shop", tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """The shop with `regression` planted, planned for, and rolled back."""
    if shop.rehearsed is not None:
        return shop.rehearsed
    here, _ = shop.plant("regression", tmp_path_factory.mktemp("regression"))
    here.env_before, here.stat_before, here.ids_before = here.env_file.read_bytes(), here.env_file.stat(), here.ids()
    here.plan = here.run()
    here.env_after_plan, here.ids_after_plan = here.env_file.read_bytes(), here.ids()
    # By now the target's images are on the host.
    with here.registry_down():
        here.plan_without_registry = here.run()
    here.rollback = here.run("--execute", here.practice.name)
    shop.rehearsed = here
    return here


def state(here: Rehearsed) -> dict[str, object]:
    """Return the state of production that a run without changes must leave as it is."""
    practice = here.practice
    notes = practice.server / ".runbook"
    stat = here.env_file.stat()
    return {
        "containers": here.ids(),
        "started": {name: docker("inspect", "--format", "{{.State.StartedAt}}", name) for name in here.ids()},
        "env file": (here.env_file.read_bytes(), stat.st_ino, stat.st_mode, stat.st_mtime_ns),
        "gate": docker("exec", f"{practice.name}-gateway-1", "gate", "state"),
        "revision": sql(practice, "SELECT version_num FROM alembic_version ORDER BY 1"),
        "schema": {table: columns(practice, table) for table in tables(practice)},
        "orders": content_hash(practice, "orders"),
        "notes": {str(path.relative_to(notes)): path.read_bytes() for path in notes.rglob("*") if path.is_file()},
    }


def running(here: Rehearsed, service: str) -> str:
    """Return the tag of the image that a service's container runs, according to the engine."""
    return docker("inspect", "--format", "{{.Config.Image}}", f"{here.practice.name}-{service}-1").rpartition(":")[2]
