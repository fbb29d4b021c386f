"""The validation after a deploy: of the running release, and with `--expect` only of the named one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import post_rollback_validation
from runbook.errors import CheckFailed
from runbook.incident.executor import Mode
from runbook.incident.options import Options
from runbook.release import ImageName
from tests.support.incident_parts import incident

NAME = "r.example/shop/api"


def parts(folder: Path, expected: str | None, named: str, *runs: str) -> Any:
    """A production whose env file has the tag `named`, and whose api runs the tags `runs`."""
    containers = [
        SimpleNamespace(
            id=tag, service="api", name=f"shop-api-{tag}", image_id=f"sha256:{tag}", image_name=f"{NAME}:{tag}"
        )
        for tag in runs
    ]
    found = incident(folder, Mode.VALIDATE)
    found.planned_changes = 1  # so the digests are not checked
    production = SimpleNamespace(
        tag=lambda: named,
        tag_of=lambda container: container.image_name.rpartition(":")[2],
        application=lambda: containers,
        images_with_tag=lambda tag: {"api": ImageName.parse(f"{NAME}:{tag}")},
        digests_of=lambda _image: [f"{NAME}@sha256:{'1' * 64}"],
    )
    return SimpleNamespace(incident=found, production=production, options=Options(expect=expected))


@pytest.mark.parametrize("expected", [None, "v2"])
def test_release_that_is_expected_passes(tmp_path: Path, expected: str | None) -> None:
    """The check passes if the env file and all containers have one tag, the expected one."""
    context = parts(tmp_path, expected, "v2", "v2", "v2")
    assert post_rollback_validation.note_running(context).observe().ok
    assert context.incident.facts.running.tag == "v2"


@pytest.mark.parametrize(("mode", "open_"), [(Mode.EXECUTE, True), (Mode.VALIDATE, False)])
def test_container_that_fails_behind_the_opening_is_met_by_users(tmp_path: Path, mode: Mode, *, open_: bool) -> None:
    """A rollback's error says that traffic is open; a validation's does not, because that is unknown."""
    health = SimpleNamespace(check_containers_healthy=lambda users: users)
    told = post_rollback_validation.stays_healthy(SimpleNamespace(incident=incident(tmp_path, mode), health=health))  # type: ignore[arg-type]  # parts of it
    assert str(told).startswith("users are affected")
    assert ("traffic is open" in str(told)) is open_


@pytest.mark.parametrize(
    ("named", "runs", "seen"),
    [
        ("v1", ("v1",), "the env file names v1, api runs v1"),
        ("v1", ("v2",), "the env file names v1, api runs v2"),
        ("v2", ("v1",), "the env file names v2, api runs v1"),
        ("v2", ("v2", "v1"), "the env file names v2, api runs v1, api runs v2"),
    ],
)
def test_other_release_than_expected_is_said(tmp_path: Path, named: str, runs: tuple[str, ...], seen: str) -> None:
    """An unexpected tag in the env file or a container fails the check, and both are reported."""
    with pytest.raises(CheckFailed) as told:
        post_rollback_validation.note_running(parts(tmp_path, "v2", named, *runs)).observe()
    assert told.value.seen == f"expected release v2 (--expect); seen: {seen}"
    assert "find out why v2 does not run" in told.value.next_step
