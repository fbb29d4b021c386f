"""The operator, the origin of the run and the production host: read from the environment, and validated."""

import getpass
import tomllib
from pathlib import Path

import pytest

from runbook import VERSION
from runbook.operator import operator, operator_from
from runbook.production.docker_engine import production_host
from tests.support.engine_server import FakeEngine
from tests.support.incident_parts import incident, production

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "example/shop",
    "GITHUB_RUN_ID": "4711",
}


def test_operator_is_the_user() -> None:
    """Without sudo, or with sudo by the same user, the operator is the user."""
    assert operator({}) == getpass.getuser()
    assert operator({"SUDO_USER": getpass.getuser()}) == getpass.getuser()


def test_operator_by_sudo_is_a_person() -> None:
    """With sudo, the operator has the user of the commands and the person behind it."""
    assert operator({"SUDO_USER": "ada"}) == f"{getpass.getuser()} (by sudo: ada)"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SSH_CONNECTION": "203.0.113.7 50022 10.0.0.5 22"}, "203.0.113.7"),
        ({"SSH_CONNECTION": "2001:DB8::7 50022 2001:db8::1 22"}, "2001:db8::7"),
        ({"SSH_CONNECTION": "<script> 1 2 3"}, None),
        ({"SSH_CONNECTION": ""}, None),
        (GITHUB, "https://github.com/example/shop/actions/runs/4711"),
        (GITHUB | {"SSH_CONNECTION": "203.0.113.7 1 2 3"}, "https://github.com/example/shop/actions/runs/4711"),
        (GITHUB | {"GITHUB_SERVER_URL": "javascript:alert(1)//"}, None),
        ({"CI_JOB_URL": "https://gitlab.example/shop/shop/-/jobs/12"}, "https://gitlab.example/shop/shop/-/jobs/12"),
        ({"CI_JOB_URL": "https://user:word@gitlab.example/jobs/12"}, None),
    ],
)
def test_from_where(environment: dict[str, str], expected: str | None) -> None:
    """The CI job's URL comes before the SSH client; an invalid address, or one with a password, is not shown."""
    assert operator_from(environment) == expected


def test_production_host_is_the_engine(tmp_path: Path) -> None:
    """The host has the engine's own name, and the variable that selected another engine is noted."""
    engine = FakeEngine(info={"Name": "prod-1", "ServerVersion": "28.5.1"})
    found = production(tmp_path, incident(tmp_path), {"compose version": "2.40.3\n"}, engine)
    assert production_host(found) == {
        "host": "prod-1", "engine": f"DOCKER_HOST={engine.url}",
        "engine_version": "28.5.1", "compose_version": "2.40.3",
    }  # fmt: skip


def test_production_host_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that does not answer causes no error."""
    monkeypatch.setenv("DOCKER_CONTEXT", "production")
    found = production(tmp_path, incident(tmp_path))
    assert production_host(found) == {
        "host": None, "engine": "DOCKER_HOST=unix:///no/engine.sock", "engine_version": None, "compose_version": None,
    }  # fmt: skip


def test_version_is_that_of_the_package() -> None:
    """The version in records is that of pyproject.toml."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION
