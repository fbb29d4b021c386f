"""`script/rehearse --down` removes what rehearsals created, except running ones, and touches nothing else."""

import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from rehearsal.docker_host.engine import plugin_dirs
from rehearsal.practice_production import PracticeProduction
from tests.engine.conftest import ROOT, docker

BASE = "rollback-runbook/base:bookworm"
STRANGER = f"somebody-elses-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def stranger() -> Iterator[None]:
    """A container, a network, a volume and an image tag that no rehearsal created."""
    docker("network", "create", STRANGER)
    docker("volume", "create", STRANGER)
    docker("tag", BASE, f"{STRANGER}:1")
    docker("run", "--detach", "--name", STRANGER, "--network", STRANGER, f"{STRANGER}:1", "sleep", "600")
    yield
    docker("rm", "--force", STRANGER)
    docker("network", "rm", STRANGER)
    docker("volume", "rm", STRANGER)
    docker("rmi", f"{STRANGER}:1")


@pytest.fixture(scope="module")
def running() -> Iterator[PracticeProduction]:
    """A rehearsal that this process is running."""
    practice = PracticeProduction(ROOT, print, plugin_dirs=plugin_dirs())
    try:
        practice.raise_up("2025-12-15-rc1")
        yield practice
    finally:
        practice.take_down()


def everything() -> dict[str, set[str]]:
    """Return the engine's content, by name."""
    listings = {
        "containers": ("ps", "--all", "--format", "{{.Names}}"),
        "networks": ("network", "ls", "--format", "{{.Name}}"),
        "volumes": ("volume", "ls", "--format", "{{.Name}}"),
        "images": ("images", "--format", "{{.Repository}}:{{.Tag}}"),
    }
    return {kind: set(docker(*arguments).splitlines()) for kind, arguments in listings.items()}


@pytest.mark.usefixtures("stranger")
def test_down_removes_one_rehearsal_and_nothing_else(running: PracticeProduction) -> None:
    """Nothing of that rehearsal is left, and everything else is still there."""
    practice = PracticeProduction(ROOT, print, plugin_dirs=plugin_dirs())
    practice.raise_up("2025-12-15-rc1")
    mine = (practice.name, practice.registry_url.removeprefix("http://"))
    assert {kind for kind, names in everything().items() if any(m in name for m in mine for name in names)} == {
        "containers",
        "networks",
        "volumes",
        "images",
    }
    practice.take_down()
    left = everything()
    assert [name for names in left.values() for name in names if any(m in name for m in mine)] == []
    assert not practice.folder.exists()
    assert STRANGER in left["containers"] & left["networks"] & left["volumes"]
    assert {f"{STRANGER}:1", BASE} <= left["images"]
    assert any(running.name in name for name in left["containers"])


@pytest.mark.usefixtures("stranger")
@pytest.mark.skipif("CI" not in os.environ, reason="it would remove the rehearsals that a developer kept")
def test_down_leaves_what_runs_and_what_is_not_ours(running: PracticeProduction) -> None:
    """A kept rehearsal is removed; a running one is named and left alone; everything else stays."""
    kept = PracticeProduction(ROOT, print, plugin_dirs=plugin_dirs())
    kept.raise_up("2025-12-15-rc1")
    assert kept._lock is not None
    kept._lock.close()  # as if the process that started it had ended
    done = subprocess.run(
        [ROOT / "script/rehearse", "--down"], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert running.name in done.stdout + done.stderr
    left = everything()
    assert [name for names in left.values() for name in names if kept.name in name] == []
    assert STRANGER in left["containers"] & left["networks"] & left["volumes"]
    assert {f"{STRANGER}:1", BASE} <= left["images"]
    assert running.ask("/healthz").status_code == 200
