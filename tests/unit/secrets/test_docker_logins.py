"""docker's logins are secrets, for any registry or proxy."""

import base64
import json
from pathlib import Path

import pytest

from runbook.secrets.known import registry_logins


def config(folder: Path, content: object) -> dict[str, str]:
    """Return an environment with this docker configuration."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return {"DOCKER_CONFIG": str(folder)}


def test_login_is_learned_encoded_and_decoded(tmp_path: Path) -> None:
    """The encoded login and the password in it are both learned."""
    pair = base64.b64encode(b"deploy:s3cret:pw").decode()
    found = config(tmp_path, {"auths": {"registry.example": {"auth": pair, "email": "a@b.example"}}})
    assert list(registry_logins(found)) == [
        ("registry login of registry.example", pair),
        ("registry login of registry.example", "s3cret:pw"),
    ]


@pytest.mark.parametrize("key", ["identitytoken", "registrytoken", "password", "IdentityToken"])
def test_tokens_are_learned(tmp_path: Path, key: str) -> None:
    """A token instead of a password is learned."""
    found = config(tmp_path, {"auths": {"r": {key: "tok-en"}}})
    assert list(registry_logins(found)) == [("registry login of r", "tok-en")]


def test_proxies_and_headers_are_learned(tmp_path: Path) -> None:
    """Passwords of proxies, and headers for each request, are learned."""
    proxies = {"default": {"httpProxy": "http://u:p%40w@proxy.example:3128", "noProxy": "localhost"}}
    found = config(tmp_path, {"proxies": proxies, "HttpHeaders": {"X-Key": "k-e-y"}})
    assert list(registry_logins(found)) == [
        ("header X-Key of docker", "k-e-y"),
        ("proxy of default", "p%40w"),
        ("proxy of default", "p@w"),
    ]


def test_home_is_where_it_lies_otherwise(tmp_path: Path) -> None:
    """Without DOCKER_CONFIG the configuration in ~/.docker is read."""
    config(tmp_path / ".docker", {"auths": {"r": {"password": "tok-en"}}})
    assert list(registry_logins({"HOME": str(tmp_path)})) == [("registry login of r", "tok-en")]


@pytest.mark.parametrize(
    "content", ["", "[]", "not json", '{"auths": []}', '{"auths": {"r": 7}}', '{"auths": {"r": {"auth": 7}}}', "\udcff"]
)
def test_what_cannot_be_read_yields_nothing(tmp_path: Path, content: str) -> None:
    """A broken configuration yields nothing, and no error."""
    found = config(tmp_path, {})
    (tmp_path / "config.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    assert list(registry_logins(found)) == []


@pytest.mark.parametrize("environment", [{}, {"DOCKER_CONFIG": "/does/not/exist"}], ids=["nothing-said", "not-there"])
def test_there_may_be_none(environment: dict[str, str]) -> None:
    """A machine without a docker configuration has no logins."""
    assert list(registry_logins(environment)) == []


def test_auth_that_is_no_pair_is_learned_as_it_is(tmp_path: Path) -> None:
    """An `auth` that is not base64 is learned unchanged."""
    found = config(tmp_path, {"auths": {"r": {"auth": "not base64!"}}})
    assert ("registry login of r", "not base64!") in list(registry_logins(found))
