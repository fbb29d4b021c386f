"""The coupling between services, read from the output of `docker compose config`."""

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
    """Sharing of network, PIDs, IPC or volumes is found, indirectly and by container name too."""
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
    """A service whose namespaces nobody shares requires no other service to be recreated."""
    assert sharing_with(SHARING, ["gateway"], ["shop-gateway-1"]) == {}


def test_who_shares_by_a_container_s_name_is_made_anew_by_force() -> None:
    """Services that share by container name are listed separately, because Compose does not track them."""
    assert sharing_by_container_name(SHARING, ["shop-api-1"]) == ["copier", "sniffer"]


def test_restart_with_what_is_recreated() -> None:
    """Services with `depends_on: restart` are listed; Compose sets it for shared namespaces too."""
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
    """A service may end only if its file has such a `restart` explicitly and no health check."""
    assert may_end_by_file(service) is ends


def test_what_another_waits_for() -> None:
    """A service whose completion another one waits for runs once."""
    waits = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}, "db": {}}}
    assert waited_for_services({"api": waits, "jobs": {"depends_on": ["db"]}}) == {"migrate"}


def test_what_another_tag_changes_is_named() -> None:
    """Services whose definition changes with the tag are named, with the changed part."""
    now = {"api": {"image": "api:2"}, "web": {"environment": {"RELEASE": "2"}, "image": "web"}, "db": {"image": "db"}}
    then = {"api": {"image": "api:1"}, "web": {"environment": {"RELEASE": "1"}, "image": "web"}, "db": {"image": "db"}}
    assert changed_definitions(now, then) == {"api": "image", "web": "environment"}


@pytest.mark.parametrize(
    ("service", "number"),
    [({}, 1), ({"scale": 0}, 0), ({"deploy": {"replicas": 3}}, 3), ({"scale": 2, "deploy": {"replicas": 3}}, 2)],
)
def test_how_many_containers_the_file_asks_for(service: dict[str, object], number: int) -> None:
    """The file asks for one container unless it sets `scale`, or else `deploy.replicas`."""
    assert count_in_files(service) == number
