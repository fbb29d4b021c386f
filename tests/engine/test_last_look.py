"""A rollback passes only if the final check finds production as it should be; docs/harness.md has the table.

Another person changes production at some moment of the run. Whatever the change was, the run does not pass, people are
not told that users are served unless they were, and the record says what was seen. Once production is repaired by hand,
the incident is resumed.
"""

import json

import httpx
import pytest

from tests.engine.conftest import Ran, Rehearsed, docker
from tests.engine.meddler import VARIABLE

TARGET, THIRD, FAILED = "2025-12-15-rc1", "2025-12-16-rc1", "2025-12-18-rc1"
VALIDATED = "the running release at its registry digests"
LAST_LOOK = "production runs the target and serves traffic"
BEFORE_TOLD, AFTER_TOLD = LAST_LOOK, "the follow-up ticket is found in the tracker"


def bringing_up(here: Rehearsed, tag: str, *, only_file: bool = False) -> list[str]:
    """Return a command that deploys another release, or only changes the env file."""
    up = "" if only_file else f"&& docker compose --project-name {here.practice.name} up --detach api jobs"
    typed = f"cd {here.practice.server} && sed -i 's/^IMAGE_TAG=.*/IMAGE_TAG={tag}/' .env {up}"
    return ["env", "--unset=IMAGE_TAG", f"DOCKER_CONFIG={here.practice._layout.docker_config}", "sh", "-c", typed]


def closing(here: Rehearsed) -> list[str]:
    return ["docker", "exec", f"{here.practice.name}-gateway-1", "gate", "close"]


def meddled(here: Rehearsed, moment: str, argv: list[str], *arguments: str) -> Ran:
    """Roll back, or resume a rollback, while another person runs that command."""
    return here.run(
        *("-p", "tests.engine.meddler", *arguments, "--execute", here.practice.name),
        environment={VARIABLE: json.dumps([moment, argv])},
    )


def announcements(here: Rehearsed) -> int:
    """Return how many announcements say that the incident is over."""
    told = httpx.get(f"{here.practice.desk_url}/announcements", trust_env=False).json()
    return sum(each["type"] == "success" for each in told)


@pytest.fixture(scope="module")
def broken_off(broken: Rehearsed) -> tuple[Rehearsed, Ran]:
    """A rollback at whose end another person deployed a third release."""
    broken.practice.publish(THIRD)
    before = announcements(broken)
    ran = meddled(broken, VALIDATED, bringing_up(broken, THIRD), "--to", TARGET)
    assert announcements(broken) == before
    put_right(broken)
    return broken, ran


def put_right(here: Rehearsed) -> None:
    docker("exec", f"{here.practice.name}-gateway-1", "gate", "open")
    here.practice.deploy(TARGET)
    here.practice.wait_ready(TARGET)


def test_third_release_is_not_validated_in_the_targets_place(broken_off: tuple[Rehearsed, Ran]) -> None:
    """The running containers are compared with the pinned target, not with the tag that the env file now has."""
    _, ran = broken_off
    assert ran.exit_code == 1, ran.terminal
    assert ran.entries[-1]["outcome"] == "failed"
    assert ran.folder is not None
    head = (ran.folder / "record.html").read_text().partition("</header>")[0]
    assert "Rolled back, but a step failed" in head
    assert f":{THIRD}" in head


@pytest.mark.parametrize(
    ("change", "seen"), [("gate", "the traffic gate is closed"), ("file", "Compose would start"), ("ci", FAILED)]
)
def test_nobody_is_told_of_a_success_that_is_none(broken_off: tuple[Rehearsed, Ran], change: str, seen: str) -> None:
    """The gate closed by a person, another tag in the env file, the failed release redeployed by CI: `failed`."""
    here, first = broken_off
    assert first.folder is not None
    argv = {"gate": closing(here), "file": bringing_up(here, FAILED, only_file=True), "ci": bringing_up(here, FAILED)}
    before = announcements(here)
    ran = meddled(here, BEFORE_TOLD, argv[change], "--resume", first.folder.name)
    put_right(here)
    assert ran.exit_code == 1, ran.terminal
    assert announcements(here) == before
    assert first.entries[-1]["outcome"] == "failed"
    assert seen in [entry["seen"] for entry in first.of_kind("check") if entry["state"] == "not so"][-1]


def test_last_look_comes_behind_the_announcement(broken_off: tuple[Rehearsed, Ran]) -> None:
    """A change after the announcement is found too, and the rollback stays open. Once repaired, it passes."""
    here, first = broken_off
    assert first.folder is not None
    ran = meddled(here, AFTER_TOLD, bringing_up(here, FAILED), "--resume", first.folder.name)
    assert ran.exit_code == 1, ran.terminal
    assert (here.practice.server / ".runbook/open_incident.json").exists()
    put_right(here)
    passed = here.run("--resume", first.folder.name, "--execute", here.practice.name)
    assert passed.exit_code == 0, passed.terminal
    assert not (here.practice.server / ".runbook/open_incident.json").exists()
