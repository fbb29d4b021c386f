"""What stands or falls together, read from services as `docker compose config` prints them."""

import pytest

from runbook.production.coupling import (
    changed_definitions,
    count_in_files,
    may_end_by_file,
    restarted_with,
    sharing_by_container_name,
    sharing_with,
    waited_for_services,
)

SHARING = {
    "api": {},
    "db": {},
    "tunnel": {"network_mode": "service:api", "depends_on": {"api": {"restart": True}}},
    "debugger": {"pid": "service:api"},
    "queue": {"ipc": "service:api"},
    "backup": {"volumes_from": ["api:ro"]},
    "meter": {"network_mode": "service:tunnel"},
    "sniffer": {"network_mode": "container:shop-api-1"},
    "copier": {"volumes_from": ["container:shop-api-1:ro"]},
    "gateway": {"depends_on": {"api": {"condition": "service_started", "restart": True}}},
    "other": {"network_mode": "service:db", "pid": "host"},
}


def test_whatever_shares_with_a_changed_service_hangs_on_it() -> None:
    """Network, processes, IPC and volumes count, through others too, by the service's name or its container's."""
    found = sharing_with(SHARING, ["api"], ["shop-api-1"])
    assert found == {
        "tunnel": "the network of api",
        "debugger": "the pid of api",
        "queue": "the ipc of api",
        "backup": "the volumes of api",
        "meter": "the network of tunnel",
        "sniffer": "the network of shop-api-1",
        "copier": "the volumes of shop-api-1",
    }


def test_nothing_hangs_on_what_nobody_shares() -> None:
    """A service that others only talk to has none that must be recreated with it."""
    assert sharing_with(SHARING, ["gateway"], ["shop-gateway-1"]) == {}


def test_who_shares_by_a_container_s_name_is_made_anew_by_force() -> None:
    """Compose does not see these."""
    assert sharing_by_container_name(SHARING, ["shop-api-1"]) == ["copier", "sniffer"]


def test_restart_with_what_is_recreated() -> None:
    """Those that ask for it, in so many words or because they share a namespace."""
    assert restarted_with(SHARING, ["api"]) == ["gateway", "tunnel"]


@pytest.mark.parametrize(
    ("service", "ends"),
    [
        ({"restart": "no"}, True),
        ({"restart": "on-failure:3"}, True),
        ({}, False),
        ({"restart": "unless-stopped"}, False),
        ({"restart": "no", "healthcheck": {"test": ["CMD", "true"]}}, False),
    ],
)
def test_what_may_run_to_its_end(service: dict[str, object], *, ends: bool) -> None:
    """Only what the file says in so many words; left out is the habit of many a server."""
    assert may_end_by_file(service) is ends


def test_what_another_waits_for() -> None:
    """A service for whose end another one waits runs once."""
    waits = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}, "db": {}}}
    assert waited_for_services({"api": waits, "jobs": {"depends_on": ["db"]}}) == {"migrate"}


def test_what_another_tag_changes_is_named() -> None:
    """Definitions are compared as Compose reads them, whatever part of them the tag stands in."""
    now = {"api": {"image": "api:2"}, "web": {"environment": {"RELEASE": "2"}, "image": "web"}, "db": {"image": "db"}}
    then = {"api": {"image": "api:1"}, "web": {"environment": {"RELEASE": "1"}, "image": "web"}, "db": {"image": "db"}}
    assert changed_definitions(now, then) == {"api": "image", "web": "environment"}


@pytest.mark.parametrize(
    ("service", "number"),
    [({}, 1), ({"scale": 0}, 0), ({"deploy": {"replicas": 3}}, 3), ({"scale": 2, "deploy": {"replicas": 3}}, 2)],
)
def test_how_many_containers_the_file_asks_for(service: dict[str, object], number: int) -> None:
    """One, unless the file says otherwise."""
    assert count_in_files(service) == number
