"""Docker's logins with an invalid configuration or helper (valid ones: tests/engine)."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from runbook.targets.docker_login import Login, docker_login
from tests.support.parts import host

PASSWORD = "canary-4711"
AUTH = base64.b64encode(f"deploy:{PASSWORD}".encode()).decode()


def login(folder: Path, configuration: Any, registry: str = "r.example", helper: str = "exit 1") -> Login | None:
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    (folder / "config.json").write_text(text)
    program = folder / "docker-credential-shop"
    program.write_text(f"#!/bin/sh\n{helper}\n")
    program.chmod(0o755)
    environment = {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}
    return docker_login(host(environment=environment), registry, 5, lambda *_: None)


@pytest.mark.parametrize(
    "configuration",
    [
        "", "[]", "{", "[" * 100_000, {}, {"auths": []}, {"auths": {"r.example": None}}, {"auths": {"r.example": {}}},
        {"auths": {"r.example": {"auth": "***"}}}, {"auths": {"r.example": {"auth": 7}}},
        {"auths": {"r.example.org": {"auth": AUTH}, "other.example": {"auth": AUTH}}},
        {"credsStore": "../../bin/sh"}, {"credsStore": 7}, {"credsStore": "missing"}, {"credsStore": "shop"},
        {"credHelpers": {"r.example": "shop"}, "auths": {"r.example": {"auth": AUTH}}},
    ],
)  # fmt: skip
def test_what_is_no_login_is_none(tmp_path: Path, configuration: Any) -> None:
    """An invalid configuration gives no login and no error; a failed helper is not replaced by another login."""
    assert login(tmp_path, configuration) is None


@pytest.mark.parametrize("said", ["", "{", "[]", '{"Username": 1, "Secret": 2}', '{"Username": "x", "Secret": ""}'])
def test_helper_that_says_something_else_gives_no_login(tmp_path: Path, said: str) -> None:
    """A helper's output in the wrong form gives no login."""
    assert login(tmp_path, {"credsStore": "shop"}, helper=f"echo '{said}'") is None


@pytest.mark.parametrize("registry", ["docker.io", "registry-1.docker.io"])
def test_docker_hub_has_a_name_of_its_own(tmp_path: Path, registry: str) -> None:
    """Docker Hub's login is found under its old address."""
    found = login(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}, registry)
    assert found is not None
    assert (found.username, found.password.get_secret_value()) == ("deploy", PASSWORD)
    assert PASSWORD not in repr(found)


def test_helper_may_give_a_token(tmp_path: Path) -> None:
    """A token from a helper is never sent as a password."""
    said = json.dumps({"Username": "<token>", "Secret": PASSWORD})
    found = login(tmp_path, {"credsStore": "shop"}, helper=f"echo '{said}'")
    assert found is not None
    assert found.is_token
    assert found.basic() == {}


def told(found: Login | None) -> tuple[str, str] | None:
    return (found.username, found.password.get_secret_value()) if found else None


OTHER = base64.b64encode(b"other:secret-0815").decode()
IN_THE_CLEAR = {"username": "deploy", "password": PASSWORD}
GIVES_OTHER = """echo '{"Username": "other", "Secret": "secret-0815"}'"""


@pytest.mark.parametrize(
    "configuration",
    [
        pytest.param(
            {"auths": {"https://r.example/v1/": {"auth": OTHER}, "r.example": {"auth": AUTH}}},
            id="the exact name first",
        ),
        pytest.param({"auths": {"https://r.example/v1/": {"auth": AUTH}}}, id="an address"),
        pytest.param({"auths": {"r.example": IN_THE_CLEAR}}, id="in the clear"),
        pytest.param({"auths": {"r.example": {"auth": "", **IN_THE_CLEAR}}}, id="in the clear beside nothing"),
        pytest.param(
            {"credsStore": "shop", "credHelpers": {"r.example": ""}, "auths": {"r.example": {"auth": AUTH}}},
            id="no helper for this one",
        ),
        pytest.param(
            {"credsStore": "missing", "credHelpers": {"r.example": None}, "auths": {"r.example": {"auth": AUTH}}},
            id="null for this one",
        ),
    ],
)
def test_login_is_the_one_that_docker_takes(tmp_path: Path, configuration: Any) -> None:
    """The login is the one that docker would use."""
    assert told(login(tmp_path, configuration, helper=GIVES_OTHER)) == ("deploy", PASSWORD)
