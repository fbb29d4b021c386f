"""Calls of Compose with the files, env files and profiles from which production was created."""

from dataclasses import replace
from typing import Any

import pytest

from runbook.production.containers import Container
from runbook.production.invocation import DEFAULT_FILES, Invocation, absolute_path, from_labels, profiles_for
from runbook.settings.schema import Project

DIRECTORY = "/srv/shop"


def project(**given: Any) -> Project:
    return Project.model_validate({"name": "shop", "directory": DIRECTORY, **given})


def container(service: str = "api", files: tuple[str, ...] = (), env_files: tuple[str, ...] = ()) -> Container:
    return Container(
        id=service, name=f"shop-{service}-1", service=service, image_id="", image_name="", state="running",
        health="none", restarts=0, started_at="", exit_code=0, addresses=(), directory=DIRECTORY,
        config_files=files, env_files=env_files,
    )  # fmt: skip


def test_everything_stands_in_every_command() -> None:
    """The project directory is always given: without it, relative mounts would depend on the first file."""
    found = Invocation(("deploy/a.yml", "/etc/b.yml"), (".env", ".env.db"), ("prod",))
    assert found.argv(project()) == (
        "docker", "compose", "-p", "shop", "--project-directory", DIRECTORY,
        "--env-file", ".env", "--env-file", ".env.db", "-f", "deploy/a.yml", "-f", "/etc/b.yml", "--profile", "prod",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "labels", "files", "env_files"),
    [
        pytest.param({}, [((), ())], DEFAULT_FILES, (".env",), id="no labels"),
        pytest.param(
            {}, [(("/srv/shop/a.yml", "/etc/b.yml"), ())], ("a.yml", "/etc/b.yml"), (".env",), id="files"
        ),
        pytest.param(
            {"compose_files": ("mine.yml",)}, [(("/srv/shop/a.yml",), ())], ("mine.yml",), (".env",), id="settings"
        ),
        pytest.param(
            {}, [((), ("/srv/shop/.env", "/srv/shop/.env.db"))], DEFAULT_FILES, (".env", "/srv/shop/.env.db"), id="two"
        ),
        pytest.param(
            {}, [((), ()), ((), ("/srv/shop/.env.db", "/srv/shop/.env"))], DEFAULT_FILES, ("/srv/shop/.env.db", ".env"),
            id="half of the containers made anew",
        ),
        pytest.param({}, [((), ("/srv/shop/other.env",))], DEFAULT_FILES, (".env",), id="made with another one"),
        pytest.param(
            {"env_file": "/etc/shop.env"}, [((), ("/etc/shop.env",))], DEFAULT_FILES, ("/etc/shop.env",), id="absolute"
        ),
    ],
)  # fmt: skip
def test_labels_say_what_settings_leave_open(
    given: dict[str, Any], labels: list[tuple[Any, Any]], files: tuple[str, ...], env_files: tuple[str, ...]
) -> None:
    """Files come from settings, else from labels; env files from labels, if the tag's env file is among them."""
    services = ("api", "jobs")
    containers = [container(services[number], *each) for number, each in enumerate(labels)]
    assert from_labels(project(**given), containers) == Invocation(files, env_files)


def test_other_services_do_not_decide() -> None:
    """The labels of services that are not rolled back do not decide the Compose files."""
    found = from_labels(project(), [container("db", ("/srv/shop/db.yml",))])
    assert found.files == DEFAULT_FILES


def test_one_profile_for_each_service_is_enough() -> None:
    """One profile per service is enough; a service without profiles, or not in the files, needs none."""
    services = {"debug": {"profiles": ["dev", "test"]}, "api": {}, "jobs": {"profiles": ["prod"]}}
    assert profiles_for(services, ["debug", "jobs", "api", "old"]) == ("dev", "prod")


def test_paths_are_those_of_the_project_s_directory() -> None:
    """A relative path counts from the project's directory, and dots are resolved."""
    assert (absolute_path(project(), "deploy/../.env"), absolute_path(project(), "/etc/x")) == (
        f"{DIRECTORY}/.env",
        "/etc/x",
    )


def test_files_of_the_container_made_last() -> None:
    """The newest container names the Compose files, because older ones may have labels from before."""
    then = replace(container("api", ("/srv/shop/a.yml",)), created="2026-01-01T10:00:00Z")
    now = replace(container("jobs", ("/srv/shop/a.yml", "/srv/shop/b.yml")), created="2026-01-02T10:00:00Z")
    both = project(services=["api", "jobs"])
    assert from_labels(both, [then, now]).files == from_labels(both, [now, then]).files == ("a.yml", "b.yml")
