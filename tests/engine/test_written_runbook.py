"""The written runbook's commands, typed unchanged: why this runbook uses other commands."""

import subprocess
from pathlib import Path

import pytest

from rehearsal.env_file import set_tag
from rehearsal.incidents.catalogue import find_incident
from tests.engine.conftest import Rehearsed, running, state
from tests.engine.shop import Shop

LIVE = "2025-12-15-rc1"
COMPOSE = "docker compose --env-file .env -f docker-compose.yml"


@pytest.fixture
def broken(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Rehearsed:
    """The shop with the test's incident planted. No runbook has run since."""
    here, _ = shop.plant(request.param, tmp_path)
    return here


def typed(here: Rehearsed, line: str) -> subprocess.CompletedProcess[str]:
    """Type one line into a shell in production's folder, as a person would."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=here.practice.server,
        env=here.practice.engine.environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("broken", ["breaking-migration"], indirect=True)
def test_downgrade_with_the_targets_image_cannot_find_the_revision(broken: Rehearsed) -> None:
    """Trap 2: once Compose points at the target, `alembic downgrade -1` fails and undoes nothing, in both ways."""
    downgrade = f"{COMPOSE} run --rm api alembic downgrade -1"
    assert typed(broken, f"IMAGE_TAG={LIVE} {COMPOSE} pull").returncode == 0
    before = state(broken)
    words = "Can't locate revision identified by '0004_customers'"

    prefixed = typed(broken, f"IMAGE_TAG={LIVE} {downgrade}")
    assert prefixed.returncode != 0
    assert words in prefixed.stdout + prefixed.stderr
    assert state(broken) == before

    # Chapter 3 omits the prefix: the same with the tag in the env file.
    set_tag(broken.env_file, LIVE)
    written = typed(broken, downgrade)
    assert written.returncode != 0
    assert words in written.stdout + written.stderr
    now = state(broken)
    assert {key: now[key] for key in now if key != "env file"} == {
        key: before[key] for key in before if key != "env file"
    }


@pytest.mark.parametrize("broken", ["regression"], indirect=True)
def test_chapter_4_brings_the_failed_release_back(broken: Rehearsed) -> None:
    """Trap 1: a tag before a command applies only to it, and the next plain `up -d api` redeploys the tag in .env."""
    failed = find_incident("regression").failed
    assert typed(broken, f"IMAGE_TAG={LIVE} {COMPOSE} pull").returncode == 0
    assert typed(broken, f"IMAGE_TAG={LIVE} {COMPOSE} up -d api jobs").returncode == 0
    assert (running(broken, "api"), running(broken, "jobs")) == (LIVE, LIVE)
    broken.practice.wait_ready(LIVE)

    text = broken.env_file.read_text()
    broken.env_file.write_text(text.replace("EXPORT_MODE=on", "EXPORT_MODE=off"))
    assert typed(broken, f"{COMPOSE} up -d api").returncode == 0
    assert running(broken, "api") == failed
    assert running(broken, "jobs") == LIVE
