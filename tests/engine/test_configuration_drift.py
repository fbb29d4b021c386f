"""The configuration changed after the target was validated: the rollback reports it and leaves it unchanged."""

import json
from pathlib import Path

import pytest

from rehearsal.incidents.catalogue import find_incident
from tests.engine.conftest import Rehearsed, docker, state
from tests.engine.judging import page, words
from tests.engine.shop import Shop

TARGET = "2025-12-15-rc1"
SECRET = "s3cr3t-feature-4711"
DRIFT = {
    ("Compose file", "docker-compose.yml", "changed"),
    ("Compose configuration", "services.api.mem_limit", "changed"),
    ("Compose configuration", "services.api.environment.LOG_LEVEL", "added"),
    ("Compose configuration", "services.api.environment.FEATURE_TOKEN", "added"),
    ("env file", "FEATURE_TOKEN", "added"),
}


def with_another_configuration(broken: Rehearsed) -> Rehearsed:
    """Return the production after it was brought up again with a different configuration."""
    practice = broken.practice
    compose = practice.server / "docker-compose.yml"
    text = compose.read_text().replace("mem_limit: 256m", "mem_limit: 255m", 1)
    added = "EXPORT_MODE: ${EXPORT_MODE}\n      LOG_LEVEL: debug\n      FEATURE_TOKEN: ${FEATURE_TOKEN}\n"
    compose.write_text(text.replace("EXPORT_MODE: ${EXPORT_MODE}\n", added, 1))
    with broken.env_file.open("a") as env_file:
        env_file.write(f"FEATURE_TOKEN={SECRET}\n")
    practice.engine.compose(practice.server, "up", "--detach")
    find_incident("regression").wait_for_symptom(practice)
    return broken


@pytest.fixture(scope="module")
def drifted(broken: Rehearsed) -> Rehearsed:
    """Production with `regression` planted, and a configuration that differs from the target's validation."""
    return with_another_configuration(broken)


@pytest.fixture
def to_restore(shop: Shop, tmp_path: Path) -> Rehearsed:
    """The same, planted again."""
    return with_another_configuration(shop.plant("regression", tmp_path)[0])


def snapshot(here: Rehearsed) -> Path:
    return here.practice.server / ".runbook" / "releases" / f"{TARGET}.json"


def test_validation_kept_the_configuration(broken: Rehearsed) -> None:
    """The snapshot is the file that the ledger names, readable only by its owner, without a value of the env file."""
    file = snapshot(broken)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    kept = json.loads(file.read_text())
    assert ["table", "public.orders", "table"] in kept["catalog"]
    assert kept["configuration"]["Compose configuration"]["plain"]["services.api.image"].endswith(f"/shop/api:{TARGET}")
    plain, hashed = (kept["configuration"]["env file"][each] for each in ("plain", "hashed"))
    assert plain == {"IMAGE_TAG": TARGET, "EXPORT_MODE": "on"}
    assert {"DATABASE_URL", "METRICS_TOKEN", "POSTGRES_PASSWORD"} <= hashed.keys()
    token = next(line for line in broken.env_file.read_text().splitlines() if "METRICS_TOKEN=" in line)
    assert token.partition("=")[2].strip("'\"") not in file.read_text()


def unmoved(here: Rehearsed) -> dict[str, object]:
    """Return what a plan must not change. Containers of the failed release stop and start again on their own."""
    return {name: value for name, value in state(here).items() if name != "started"}


def test_plan_names_what_differs(drifted: Rehearsed) -> None:
    """Each key is in the terminal, the journal and the page, secret values are in none of them, and nothing changes."""
    before = unmoved(drifted)
    plan = drifted.run()
    assert plan.exit_code == 0, plan.terminal
    assert unmoved(drifted) == before
    fact = plan.fact("configuration drift")
    assert {(each["part"], each["key"], each["how"]) for each in fact["differences"]} == DRIFT
    assert "configuration differs from the validated one: 5 keys" in words(plan)
    assert "services.api.environment.LOG_LEVEL" in page(plan)
    assert plan.folder is not None
    assert SECRET not in plan.terminal + page(plan) + (plan.folder / "journal.jsonl").read_text()


def test_plan_with_the_configuration_decides_and_changes_nothing(drifted: Rehearsed) -> None:
    """The restored files are named, as Compose reads them after the change. No secret is shown."""
    before = unmoved(drifted)
    plan = drifted.run("--with-configuration")
    assert plan.exit_code == 0, plan.terminal
    assert unmoved(drifted) == before
    back = plan.fact("configuration to restore")
    assert [each["path"] for each in back["files"]] == ["docker-compose.yml", ".env"]
    assert (back["variables"], back["remaining"]) == (["FEATURE_TOKEN"], [])
    execute = f"--with-configuration --execute {drifted.practice.name}"
    assert any(execute in line for line in plan.terminal.splitlines())
    assert plan.folder is not None
    assert SECRET not in plan.terminal + page(plan) + (plan.folder / "journal.jsonl").read_text()


def test_rollback_leaves_it_and_keeps_it_anew(drifted: Rehearsed) -> None:
    """The target runs with the current configuration, and is known good with it from then on."""
    compose, kept = (drifted.practice.server / "docker-compose.yml").read_text(), snapshot(drifted).read_text()
    rollback = drifted.run("--execute", drifted.practice.name)
    assert rollback.exit_code == 0, rollback.terminal
    assert len(rollback.fact("configuration drift")["differences"]) == len(DRIFT)
    assert (drifted.practice.server / "docker-compose.yml").read_text() == compose
    assert f"FEATURE_TOKEN={SECRET}" in drifted.env_file.read_text()
    container = f"{drifted.practice.name}-api-1"
    assert "LOG_LEVEL=debug" in docker("inspect", "--format", "{{json .Config.Env}}", container)
    assert snapshot(drifted).read_text() != kept
    rendered = json.loads(snapshot(drifted).read_text())["configuration"]["Compose configuration"]
    assert rendered["plain"]["services.api.environment.LOG_LEVEL"] == "debug"
    assert "services.api.environment.FEATURE_TOKEN" in rendered["hashed"]


def test_rollback_with_the_configuration_restores_it(to_restore: Rehearsed) -> None:
    """Compose file and env file are restored, the replaced ones are kept, and other services keep their containers."""
    here, server = to_restore, to_restore.practice.server
    others = {name: each for name, each in here.ids().items() if "-api-" not in name and "-jobs-" not in name}
    rollback = here.run("--with-configuration", "--execute", here.practice.name)
    assert rollback.exit_code == 0, rollback.terminal
    back = rollback.fact("configuration to restore")
    kept = {each["path"]: Path(each["kept"]) for each in back["files"]}
    assert "LOG_LEVEL: debug" in kept["docker-compose.yml"].read_text()
    assert SECRET in kept[".env"].read_text()
    assert "LOG_LEVEL: debug" not in (server / "docker-compose.yml").read_text()
    assert "FEATURE_TOKEN" not in here.env_file.read_text()
    container = f"{here.practice.name}-api-1"
    assert "LOG_LEVEL" not in docker("inspect", "--format", "{{json .Config.Env}}", container)
    assert others.items() <= here.ids().items()
    assert "cp --preserve=all --" in page(rollback)
