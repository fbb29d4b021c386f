"""The Compose project: the exact commands that fetch, switch and ask."""

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
# Kamal and hand-made set-ups alike: several files, an env file elsewhere, services of other names.
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
    """Each command names the project, its files and its env file, runs in its folder, and has its own deadline."""
    assert command.argv == argv
    assert command.deadline == deadline
    assert command.directory == "/srv/shop"
    assert command.stdin is None


def test_up_takes_the_tag_from_the_env_file_only() -> None:
    """Nothing but the env file decides what comes up, so that the next `up`, or a reboot, brings up the same."""
    assert not [word for word in shop().up_command(("api",), {}).argv if "IMAGE_TAG" in word]


def site(
    *images: tuple[str, str], env_tag: str = "v2", pattern: str = "r.example/{}:{}", **services: Any
) -> Production:
    """A production whose files give images by `pattern`, and whose containers run these images, by service."""
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
    """Whatever stands before and behind it in the Compose file, the tag is the variable's value."""
    there = site(("api", "r.example/api:v1.2-prod"), env_tag="1.2", pattern="r.example/{}:v{}-prod")
    assert there.tag() == "1.2"
    assert there.tag_of(there.containers()[0]) == "1.2"


def test_digest_beside_the_tag_is_refused_for_that_reason() -> None:
    """The env file pins a digest already: another tag would have to bring another one."""
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
    """The variable gets the very value that gives what runs, in whatever form the Compose file has it."""
    assert site(*images, pattern=pattern).running_tag([name for name, _ in images]) == tag


def test_two_releases_at_once_are_refused_in_an_emergency() -> None:
    """No one value gives both."""
    with pytest.raises(ProductionError, match="run different tags: v1, v2"):
        site(("api", "r.example/api:v1"), ("jobs", "r.example/jobs:v2")).running_tag(["api", "jobs"])


def test_what_runs_to_its_end_is_not_rolled_back() -> None:
    """A service that others wait for, or that may end and has; one that never said it may end is to run."""
    waits = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}}}
    names = ("api", "migrate", "seed", "jobs")
    images = [(name, f"r.example/{name}:v2") for name in names]
    there = site(*images, api=waits, seed={"restart": "no"})
    there.project = there.project.model_copy(update={"services": ("api", "migrate", "jobs")})
    assert there.one_shots == {"migrate", "seed"}
    assert there.rolled_back == ("api", "jobs")


def test_application_that_has_ended_is_still_the_application() -> None:
    """It was stopped for a downgrade, or has died with 0: what the settings name is rolled back all the same."""
    images = [(name, f"r.example/{name}:v2") for name in ("api", "jobs")]
    there = site(*images, api={"restart": "on-failure"}, jobs={"restart": "no"})
    assert there.rolled_back == ("api", "jobs")
    assert there.ended_services(there.containers()) == ["api", "jobs"]


def test_nothing_to_roll_back_is_not_everything() -> None:
    """`docker compose up` without a name would bring up the whole project."""
    there = site(
        ("migrate", "r.example/api:v2"),
        migrate={"depends_on": {"migrate": {"condition": "service_completed_successfully"}}},
    )
    with pytest.raises(ProductionError, match="there is no service to roll back"):
        _ = there.rolled_back


def test_scaled_service_is_brought_up_as_often_as_it_was() -> None:
    """Only where the number is another one than the files give."""
    there = site(("api", "r.example/api:v2"), ("jobs", "r.example/jobs:v2"), jobs={"deploy": {"replicas": 2}})
    up = there.up_command(("api", "jobs"), {"api": 3, "jobs": 2})
    assert up.argv[-6:] == ("--pull", "never", "--scale", "api=3", "api", "jobs")
