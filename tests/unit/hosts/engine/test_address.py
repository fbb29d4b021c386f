"""The engine's address: the engine that `docker` would use."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import EngineError
from runbook.hosts.command import Command, Completed
from runbook.hosts.engine.address import EngineAddress, engine_address

LOCAL = EngineAddress("unix:///var/run/docker.sock")


def found(environment: Mapping[str, str], answer: str = "", exit_code: int = 0) -> tuple[EngineAddress, list[str]]:
    """Return the address, and the commands run to find it."""
    typed: list[str] = []

    def run(command: Command) -> Completed:
        typed.append(str(command))
        return Completed(command, exit_code, answer.encode(), b"no such context", 0.1)

    return engine_address(environment, run), typed


def tls_files(folder: Path) -> tuple[str, str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("ca.pem", "cert.pem", "key.pem")]
    for path in paths:
        path.touch()
    return str(paths[0]), str(paths[1]), str(paths[2])


def context(url: str, **more: Any) -> str:
    return json.dumps([{"Name": "prod", "Endpoints": {"docker": {"Host": url, **more.pop("docker", {})}}, **more}])


@pytest.mark.parametrize("environment", [{}, {"DOCKER_CONTEXT": "default"}, {"DOCKER_HOST": "", "DOCKER_CONTEXT": ""}])
def test_without_a_word_it_is_the_one_on_this_machine(tmp_path: Path, environment: dict[str, str]) -> None:
    """Without settings the engine is the local one, and no command is run to find it."""
    assert found(environment | {"DOCKER_CONFIG": str(tmp_path)}) == (LOCAL, [])


def test_host_comes_before_context() -> None:
    """DOCKER_HOST takes precedence over a context, as in `docker`."""
    assert found({"DOCKER_HOST": "unix:///x", "DOCKER_CONTEXT": "prod"}) == (EngineAddress("unix:///x"), [])


def test_tls_only_where_it_is_verified(tmp_path: Path) -> None:
    """DOCKER_TLS_VERIFY turns TLS on; a folder of certificates does not."""
    files = tls_files(tmp_path)
    given = {"DOCKER_HOST": "tcp://prod:2376", "DOCKER_CERT_PATH": str(tmp_path)}
    assert found(given)[0] == EngineAddress("tcp://prod:2376")
    assert found(given | {"DOCKER_TLS_VERIFY": "1"})[0] == EngineAddress("tcp://prod:2376", *files, tls=True)
    there = tls_files(tmp_path / ".docker")
    at_home = {"DOCKER_HOST": "tcp://prod:2376", "DOCKER_TLS_VERIFY": "1", "HOME": str(tmp_path)}
    assert found(at_home)[0] == EngineAddress("tcp://prod:2376", *there, tls=True)


def test_context_is_read_by_docker(tmp_path: Path) -> None:
    """A context is read by `docker`, by its name in the environment or as the current one."""
    answer = context("unix:///run/other.sock")
    assert found({"DOCKER_CONTEXT": "prod"}, answer) == (
        EngineAddress("unix:///run/other.sock"),
        ["docker context inspect prod"],
    )
    (tmp_path / "config.json").write_text('{"currentContext": "staging"}')
    assert found({"DOCKER_CONFIG": str(tmp_path)}, answer)[1] == ["docker context inspect staging"]


@pytest.mark.parametrize("skip", [False, True])
def test_context_has_its_own_certificates(tmp_path: Path, skip: bool) -> None:  # noqa: FBT001 - a parameter
    """A context has its certificates in its folder, and says whether TLS is verified."""
    files = tls_files(tmp_path / "docker")
    answer = context(
        "tcp://prod:2376",
        docker={"SkipTLSVerify": skip},
        TLSMaterial={"docker": ["ca.pem", "cert.pem", "key.pem"]},
        Storage={"TLSPath": str(tmp_path)},
    )
    expected = EngineAddress("tcp://prod:2376", *files, tls=True, verify=not skip)
    assert found({"DOCKER_CONTEXT": "prod"}, answer)[0] == expected


@pytest.mark.parametrize("answer", ["[]", "[{}]", "{", '[{"Endpoints": []}]', '[{"Endpoints": {"docker": null}}]', "1"])
def test_context_that_cannot_be_read_is_told(answer: str) -> None:
    """An unreadable context is an error, and no engine is guessed."""
    with pytest.raises(EngineError):
        found({"DOCKER_CONTEXT": "prod"}, answer)
    with pytest.raises(EngineError, match="no such context → docker context ls"):
        found({"DOCKER_CONTEXT": "prod"}, "", 1)


@pytest.mark.parametrize("content", ["{", "[]", "7", '{"currentContext": null}', "[" * 100_000])
def test_odd_configuration_names_no_context(tmp_path: Path, content: str) -> None:
    """An unreadable docker configuration names no context, as in `docker`."""
    (tmp_path / "config.json").write_text(content)
    assert found({"DOCKER_CONFIG": str(tmp_path)}) == (LOCAL, [])
