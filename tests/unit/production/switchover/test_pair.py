"""Two releases side by side: the commands that start one and remove the other, after any interruption too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runbook.production.containers import Container
from runbook.production.switchover.pair import Pair
from runbook.release import ImageName, Release
from tests.support.parts import production

IMAGES = {"api": ImageName.parse("reg/shop/api:v1"), "jobs": ImageName.parse("reg/shop/jobs:v1")}
TARGET = Release("v1", IMAGES, {"api": "sha256:a", "jobs": "sha256:b"})
COMPOSE = ("docker", "compose", "-p", "shop")


def one(name: str, tag: str, number: int, state: str = "running", service: str = "api") -> Container:
    image = f"reg/shop/{service}:{tag}"
    return Container(f"id of {name}", name, service, "", image, state, "none", 0, "", 0, (), number=number)


def pair(folder: Path, *now: Container, **numbers: int) -> Pair:
    site: Any = production(folder)
    site.containers = lambda: list(now)
    site.compose = lambda *words, deadline: site.command(*COMPOSE, *words, deadline=deadline)
    return Pair(site, TARGET, numbers or {"api": 1})


def words(found: Pair, before: Sequence[Container]) -> list[tuple[str, ...]]:
    return [command.argv for command in (*found.stop_commands(60), *found.remove_commands(before))]


def test_target_starts_beside_what_runs(tmp_path: Path) -> None:
    """The target starts with the same number of containers, and no running container is recreated."""
    command = pair(tmp_path, one("shop-api-1", "v2", 1), one("shop-api-2", "v2", 2), api=2).up_command(180)
    assert command.argv == (
        *COMPOSE, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "--no-recreate", "--scale", "api=4", "api",
    )  # fmt: skip
    assert command.deadline == 180


def test_started_again_it_comes_to_the_same_number(tmp_path: Path) -> None:
    """A repeated start counts the containers of the interrupted one, and creates none too many."""
    found = pair(tmp_path, one("shop-api-1", "v2", 1), one("shop-api-2", "v1", 2, "created"))
    assert "api=2" in found.up_command(180).argv
    assert not found.is_up


def test_up_is_as_many_as_before_and_running(tmp_path: Path) -> None:
    """The target is up only with its full number of containers, all running."""
    old = one("shop-api-1", "v2", 1)
    assert pair(tmp_path, old, one("shop-api-2", "v1", 2)).is_up
    assert pair(tmp_path, one("shop-api-2", "v1", 2)).is_up
    assert not pair(tmp_path, old, one("shop-api-2", "v1", 2, "restarting")).is_up
    assert not pair(tmp_path, old, one("shop-api-2", "v1", 2), api=2).is_up


def test_failed_are_stopped_removed_and_their_names_taken_over(tmp_path: Path) -> None:
    """Failed containers are stopped and removed, and their names given to the target's in order; jobs stay."""
    before = [one("shop-api-1", "v2", 1), one("shop-api-2", "v2", 2), one("shop-jobs-1", "v2", 1, service="jobs")]
    now = (*before, one("shop-api-3", "v1", 3), one("shop-api-4", "v1", 4))
    assert words(pair(tmp_path, *now, api=2), before) == [
        ("docker", "stop", "shop-api-1", "shop-api-2"),
        ("docker", "rm", "shop-api-1", "shop-api-2"),
        ("docker", "rename", "shop-api-3", "shop-api-1"),
        ("docker", "rename", "shop-api-4", "shop-api-2"),
    ]


def test_plan_knows_the_names_that_compose_will_give(tmp_path: Path) -> None:
    """The plan has the commands of the execution, also if names and numbers differ since an earlier switch."""
    before = [one("shop-api-1", "v2", 4), one("shop-api-2", "v2", 5)]
    planned = words(pair(tmp_path, *before, api=2), before)
    now = (*before, one("shop-api-6", "v1", 6), one("shop-api-7", "v1", 7))
    assert planned == words(pair(tmp_path, *now, api=2), before)
    assert ("docker", "rename", "shop-api-6", "shop-api-1") in planned


def test_taking_out_goes_on_wherever_it_broke_off(tmp_path: Path) -> None:
    """An interrupted removal continues wherever it stopped; at its end no command is left."""
    before = [one("shop-api-1", "v2", 1), one("shop-api-2", "v2", 2)]
    third, fourth = one("shop-api-3", "v1", 3), one("shop-api-4", "v1", 4)
    half = pair(tmp_path, one("shop-api-2", "v2", 2, "exited"), third, fourth, api=2)
    assert words(half, before) == [
        ("docker", "rm", "shop-api-2"),
        ("docker", "rename", "shop-api-3", "shop-api-1"),
        ("docker", "rename", "shop-api-4", "shop-api-2"),
    ]
    renamed = one("shop-api-1", "v1", 3)
    assert words(pair(tmp_path, renamed, fourth, api=2), before) == [("docker", "rename", "shop-api-4", "shop-api-2")]
    assert words(pair(tmp_path, renamed, one("shop-api-2", "v1", 4), api=2), before) == []


def test_without_a_journal_names_stay(tmp_path: Path) -> None:
    """If the failed containers are gone and their names unknown, the target's containers keep their names."""
    assert words(pair(tmp_path, one("shop-api-2", "v1", 2)), [one("shop-api-2", "v1", 2)]) == []


def test_only_the_targets_are_taken_away_again(tmp_path: Path) -> None:
    """Only the target's containers are stopped and removed; the failed release keeps its containers."""
    found = pair(tmp_path, one("shop-api-1", "v2", 1), one("shop-api-2", "v1", 2))
    assert [each.argv for each in found.remove_target_commands(60)] == [
        ("docker", "stop", "shop-api-2"),
        ("docker", "rm", "shop-api-2"),
    ]
    assert pair(tmp_path, one("shop-api-1", "v2", 1)).remove_target_commands(60) == ()
