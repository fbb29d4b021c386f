"""The Compose project: its exact commands, its tag, and the services to roll back."""

from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ProductionError
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.containers import Container
from runbook.release import Release
from runbook.settings.application import ServiceCommand
from tests.support.parts import production

SHOP = Path("/srv/shop")
PREFIX = (
    "docker",
    "compose",
    "-p",
    "shop",
    "--project-directory",
    "/srv/shop",
    "--env-file",
    ".env",
    "-f",
    "docker-compose.yml",
)
# A setup as with Kamal or by hand: several files, an env file elsewhere, other service names.
ELSEWHERE: dict[str, Any] = {
    "compose_files": ("compose.yaml", "/srv/shared/compose.prod.yaml"),
    "env_file": "/etc/shop/production.env",
    "tag_variable": "VERSION",
    "services": ("web", "worker"),
}
ELSEWHERE_PREFIX = (
    "docker", "compose", "-p", "shop", "--project-directory", "/srv/shop", "--env-file", "/etc/shop/production.env",
    "-f", "compose.yaml", "-f", "/srv/shared/compose.prod.yaml",
)  # fmt: skip


def release(tag: str) -> Release:
    return Release(tag, {}, {})


def shop() -> Production:
    return production(SHOP)


def elsewhere() -> Production:
    return production(SHOP, **ELSEWHERE)


@pytest.mark.parametrize(
    ("command", "argv", "deadline"),
    [
        pytest.param(
            shop().pull_command(release("v1")),
            ("env", "IMAGE_TAG=v1", *PREFIX, "pull", "api", "jobs"),
            600,
            id="pull",
        ),
        pytest.param(
            elsewhere().pull_command(release("v1")),
            ("env", "VERSION=v1", *ELSEWHERE_PREFIX, "pull", "web", "worker"),
            600,
            id="pull-elsewhere",
        ),
        pytest.param(
            shop().up_command(("api", "jobs"), {}),
            (*PREFIX, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "api", "jobs"),
            180,
            id="up",
        ),
        pytest.param(
            shop().up_command(("api",), {}, anew=True),
            (*PREFIX, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "--force-recreate", "api"),
            180,
            id="up-anew",
        ),
        pytest.param(
            elsewhere().up_command(("web", "worker"), {}),
            (*ELSEWHERE_PREFIX, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "web", "worker"),
            180,
            id="up-elsewhere",
        ),
        pytest.param(
            shop().exec_command(ServiceCommand(service="gateway", command=("gate", "close"))),
            (*PREFIX, "exec", "-T", "gateway", "gate", "close"),
            10,
            id="inside-a-service",
        ),
        pytest.param(
            shop().exec_command(ServiceCommand(command=("systemctl", "stop", "nginx"))),
            ("systemctl", "stop", "nginx"),
            10,
            id="on-the-host",
        ),
        pytest.param(
            shop().compose("config", deadline=7),
            (*PREFIX, "config"),
            7,
            id="anything",
        ),
    ],
)
def test_command_is_exactly_this(command: Command, argv: tuple[str, ...], deadline: float) -> None:
    """Each command names the project, its files and its env file, and has its directory and deadline."""
    assert command.argv == argv
    assert command.deadline == deadline
    assert command.directory == "/srv/shop"
    assert command.stdin is None


def test_up_takes_the_tag_from_the_env_file_only() -> None:
    """`up` takes the tag from the env file only, so that the next `up` or a reboot starts the same release."""
    assert not [word for word in shop().up_command(("api",), {}).argv if "IMAGE_TAG" in word]


def site(
    *images: tuple[str, str], env_tag: str = "v2", pattern: str = "r.example/{}:{}", **services: Any
) -> Production:
    """Return a production whose files give images by `pattern`, and whose containers run `images`, per service."""
    made = production(SHOP, services=[name for name, _ in images])

    def files(tag: str | None = None) -> dict[str, dict[str, Any]]:
        return {name: {"image": pattern.format(name, tag or env_tag), **services.get(name, {})} for name, _ in images}

    there = [
        Container(
            id=name, name=name, service=name, image_id="i", image_name=image, state="exited", health="none", restarts=0,
            started_at="", exit_code=0, addresses=(),
        )
        for name, image in images
    ]  # fmt: skip
    made.services = files  # type: ignore[method-assign]  # asked of Compose otherwise
    made.containers = made.running = lambda: there  # type: ignore[method-assign]  # the same
    made.image_id = lambda reference: reference and "i"  # type: ignore[method-assign]  # the same
    return made


def test_tag_is_what_compose_reads() -> None:
    """The tag is the variable's value, without the prefix and suffix in the Compose file."""
    there = site(("api", "r.example/api:v1.2-prod"), env_tag="1.2", pattern="r.example/{}:v{}-prod")
    assert there.tag() == "1.2"
    assert there.tag_of(there.containers()[0]) == "1.2"


def test_digest_beside_the_tag_is_refused_for_that_reason() -> None:
    """A digest after the tag in the env file is refused with that reason: another tag needs another digest."""
    there = site(("api", "r.example/api:v2"), env_tag="v2@sha256:" + "0" * 64)
    with pytest.raises(ProductionError, match="IMAGE_TAG contains a digest after the tag: v2@sha256"):
        there.tag()


@pytest.mark.parametrize(
    ("images", "pattern", "tag"),
    [
        pytest.param([("api", "r.example/api:v9"), ("jobs", "r.example/jobs:v9")], "r.example/{}:{}", "v9", id="tag"),
        pytest.param([("api", "r.example/api:v9")], "r.example/{}:v{}", "9", id="prefix"),
        pytest.param([("api", "r.example/api:v9@sha256:0")], "r.example/{}:{}", "v9@sha256:0", id="digest"),
        pytest.param([("api", "r.example/api:v9")], "{1}", "r.example/api:v9", id="whole reference"),
        pytest.param([("api", "r.example/api:1")], "r.example/{}:1", None, id="follows nothing"),
    ],
)
def test_emergency_stays_on_what_runs(images: list[tuple[str, str]], pattern: str, tag: str | None) -> None:
    """The running tag is the value that gives the running image, in any form of the Compose file."""
    assert site(*images, pattern=pattern).running_tag([name for name, _ in images]) == tag


def test_two_releases_at_once_are_refused_in_an_emergency() -> None:
    """If services run different tags, no single value gives both, and the running tag is refused."""
    with pytest.raises(ProductionError, match="run different tags: v1, v2"):
        site(("api", "r.example/api:v1"), ("jobs", "r.example/jobs:v2")).running_tag(["api", "jobs"])


def test_what_runs_to_its_end_is_not_rolled_back() -> None:
    """One-shots are not rolled back: services that others wait for, or that may end and exited with 0."""
    waits = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}}}
    names = ("api", "migrate", "seed", "jobs")
    images = [(name, f"r.example/{name}:v2") for name in names]
    there = site(*images, api=waits, seed={"restart": "no"})
    there.project = there.project.model_copy(update={"services": ("api", "migrate", "jobs")})
    assert there.one_shots == {"migrate", "seed"}
    assert there.rolled_back == ("api", "jobs")


def test_application_that_has_ended_is_still_the_application() -> None:
    """A service of project.services that exited with 0 is still rolled back."""
    images = [(name, f"r.example/{name}:v2") for name in ("api", "jobs")]
    there = site(*images, api={"restart": "on-failure"}, jobs={"restart": "no"})
    assert there.rolled_back == ("api", "jobs")
    assert there.ended_services(there.containers()) == ["api", "jobs"]


def test_nothing_to_roll_back_is_not_everything() -> None:
    """Without a service to roll back the run is refused, because `up` without names starts the whole project."""
    there = site(
        ("migrate", "r.example/api:v2"),
        migrate={"depends_on": {"migrate": {"condition": "service_completed_successfully"}}},
    )
    with pytest.raises(ProductionError, match="there is no service to roll back"):
        _ = there.rolled_back


def test_scaled_service_is_brought_up_as_often_as_it_was() -> None:
    """`--scale` is given only for services whose number of containers differs from the files."""
    there = site(("api", "r.example/api:v2"), ("jobs", "r.example/jobs:v2"), jobs={"deploy": {"replicas": 2}})
    up = there.up_command(("api", "jobs"), {"api": 3, "jobs": 2})
    assert up.argv[-6:] == ("--pull", "never", "--scale", "api=3", "api", "jobs")
