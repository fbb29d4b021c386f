"""The Compose project: the exact commands that fetch, switch and ask."""

from pathlib import Path
from typing import Any

import pytest

from runbook.host import Command
from runbook.production import Production
from runbook.release import Release
from runbook.settings import ServiceCommand
from tests.unit.parts import production

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
            shop().pulling(release("v1")),
            ("env", "IMAGE_TAG=v1", *PREFIX, "pull", "api", "jobs"),
            600,
            id="pull",
        ),
        pytest.param(
            elsewhere().pulling(release("v1")),
            ("env", "VERSION=v1", *ELSEWHERE_PREFIX, "pull", "web", "worker"),
            600,
            id="pull-elsewhere",
        ),
        pytest.param(
            shop().bringing_up(("api", "jobs"), {}),
            (*PREFIX, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "api", "jobs"),
            180,
            id="up",
        ),
        pytest.param(
            shop().bringing_up(("api",), {}, anew=True),
            (*PREFIX, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "--force-recreate", "api"),
            180,
            id="up-anew",
        ),
        pytest.param(
            elsewhere().bringing_up(("web", "worker"), {}),
            (*ELSEWHERE_PREFIX, "up", "-d", "--no-deps", "--no-build", "--pull", "never", "web", "worker"),
            180,
            id="up-elsewhere",
        ),
        pytest.param(
            shop().inside(ServiceCommand(service="gateway", command=("gate", "close"))),
            (*PREFIX, "exec", "-T", "gateway", "gate", "close"),
            10,
            id="inside-a-service",
        ),
        pytest.param(
            shop().inside(ServiceCommand(command=("systemctl", "stop", "nginx"))),
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
    assert not [word for word in shop().bringing_up(("api",), {}).argv if "IMAGE_TAG" in word]
