"""Containers in the Docker Engine's description (inspected.json: a real answer, shortened)."""

import json
from pathlib import Path
from typing import Any

import pytest

from runbook.production.containers import Container

INSPECTED = json.loads((Path(__file__).parents[2] / "support" / "inspected.json").read_text())
RUNNING, EXITED, CREATED = INSPECTED


def changed(found: dict[str, Any], **state: Any) -> Container:
    return Container.parse(found | {"State": found["State"] | state})


def test_running_container_is_read() -> None:
    """A running container's service, actual image, health, restarts and addresses are read."""
    found = Container.parse(RUNNING)
    assert (found.name, found.service, found.state, found.health) == ("shop-api-1", "api", "running", "healthy")
    assert found.image_id == "sha256:1a9b2ea79f6b5ed5f4844ebabf510c853c09f1dda82c2ab9e46c28961b3d3c45"
    assert found.image_name == "registry.example:5000/shop/api:2025-12-15-rc1"
    assert found.restarts == 2
    assert found.addresses == ("172.18.0.5", "172.19.0.3")
    assert found.directory == "/srv/shop"


@pytest.mark.parametrize(
    ("found", "state", "exit_code"),
    [pytest.param(EXITED, "exited", 3, id="exited"), pytest.param(CREATED, "created", 0, id="never-started")],
)
def test_container_that_does_not_run_is_read(found: dict[str, Any], state: str, exit_code: int) -> None:
    """A container that is not running, without health, labels or addresses, is read with its exit code."""
    container = Container.parse(found)
    assert (container.state, container.exit_code, container.health) == (state, exit_code, "none")
    assert container.addresses == ()
    assert (container.service, container.directory, container.config_files, container.env_files) == ("", "", (), ())


@pytest.mark.parametrize("missing", ["Labels", "Networks", "Health"])
def test_null_where_the_engine_writes_null_is_read(missing: str) -> None:
    """A null from the engine counts as empty."""
    found = json.loads(json.dumps(RUNNING))
    place = {"Labels": "Config", "Networks": "NetworkSettings", "Health": "State"}[missing]
    found[place][missing] = None
    assert Container.parse(found).name == "shop-api-1"


@pytest.mark.parametrize(
    ("container", "words"),
    [
        pytest.param(Container.parse(RUNNING), "shop-api-1 is running, healthy, 2 restarts", id="healthy"),
        pytest.param(changed(RUNNING, Health=None), "shop-api-1 is running, 2 restarts", id="no-health-check"),
        pytest.param(
            changed(RUNNING, Status="restarting", ExitCode=1),
            "shop-api-1 is restarting (exit code 1)",
            id="crash-loop",
        ),
        pytest.param(Container.parse(EXITED), "shop-jobs-1 is exited (exit code 3)", id="exited"),
    ],
)
def test_condition_in_words(container: Container, words: str) -> None:
    """A container's condition is written in one line."""
    assert container.one_line == words


def test_facts_name_what_a_comparison_needs() -> None:
    """A container's recorded facts are enough to see whether it was replaced or restarted."""
    facts = Container.parse(RUNNING).facts()
    assert {"id", "image_id", "restarts", "started_at", "service", "name"} <= set(facts)
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(
    ("name", "half"),
    [
        pytest.param("/577c8d674acd_shop-api-1", True, id="as-compose-makes-it"),
        pytest.param("/shop-api-1", False, id="its-own"),
        pytest.param("/cafe_shop-api-1", False, id="a-short-word-before-it"),
        pytest.param("/shop-577c8d674acd_api-1", False, id="somewhere-else"),
    ],
)
def test_container_left_by_an_interrupted_up_is_told_by_its_name(name: str, *, half: bool) -> None:
    """Only a name with the old container's ID in front counts as left by an interrupted `up`."""
    assert Container.parse(RUNNING | {"Name": name}).has_temporary_name is half


def test_what_health_and_switches_ask_of_a_container_is_read() -> None:
    """Restart policy, IPv4 and IPv6 addresses, published ports, variables and the command line are read."""
    found = json.loads(json.dumps(RUNNING))
    found["HostConfig"] = {"NetworkMode": "host", "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}
    found["Config"] |= {"Env": ["A=1=2", "B=", "C"], "Entrypoint": ["tini"], "Cmd": ["serve", "-v"]}
    found["NetworkSettings"]["Networks"]["six"] = {"IPAddress": "", "GlobalIPv6Address": "fd00::5"}
    found["NetworkSettings"]["Ports"] = {
        "8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}],  # noqa: S104 - read, not bound
        "8001/tcp": [{"HostIp": "10.0.0.1", "HostPort": "81"}],
        "8002/udp": [{"HostIp": "", "HostPort": "82"}],
        "8003/tcp": None,
    }
    container = Container.parse(found)
    assert (container.restart_policy, container.network_mode) == ("on-failure", "host")
    assert container.addresses == ("172.18.0.5", "172.19.0.3", "[fd00::5]")
    assert container.ports == {8000: "127.0.0.1:32768", 8001: "10.0.0.1:81"}
    assert container.environment == {"A": "1=2", "B": "", "C": ""}
    assert container.argv == ("tini", "serve", "-v")
    assert "1=2" not in repr(container)
