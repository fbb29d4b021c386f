"""The decision how to switch: beside the failed release unless an obstacle forbids it, and the reason for each."""

from dataclasses import replace
from typing import Any

import pytest

from runbook.production.switchover.decision import (
    Circumstances,
    Meanwhile,
    Memory,
    Obstacle,
    SwitchMode,
    decide,
)

_MIB = 1 << 20
#: Circumstances without an obstacle.
FREE = Circumstances(
    services={"api": {"image": "shop/api:v1", "networks": {"default": None}}, "jobs": {"image": "shop/jobs:v1"}},
    beside=("api",),
    in_turn=("jobs",),
    follows="addresses",
    may_hold=True,
    hold_seconds=20,
    memory=Memory(100 * _MIB, 1000 * _MIB),
)


def with_api(**more: Any) -> Circumstances:
    return replace(FREE, services={**FREE.services, "api": {**FREE.services["api"], **more}})


@pytest.mark.parametrize(
    ("seen", "obstacle", "word"),
    [
        (replace(FREE, gate_first=True), Obstacle.ASKED_FOR, "--close-gate-first"),
        (replace(FREE, asked_for="behind-closed-gate"), Obstacle.SETTING, "switch.mode"),
        (replace(FREE, begun=True), Obstacle.BEGUN, "before a mode was decided"),
        (replace(FREE, schema_stays=False), Obstacle.SCHEMA, "schema"),
        (replace(FREE, restored=("compose.yaml",)), Obstacle.CONFIGURATION, "compose.yaml"),
        (replace(FREE, same_tag=True), Obstacle.SAME_TAG, "target's tag"),
        (replace(FREE, not_running=("shop-api-1 is exited (exit code 1)",)), Obstacle.NOT_RUNNING, "shop-api-1"),
        (with_api(ports=[{"target": 8000, "published": "80"}]), Obstacle.PORT, "api publishes"),
        (
            replace(FREE, services={**FREE.services, "jobs": {"ports": [{"target": 1, "published": "1"}]}}),
            Obstacle.PORT,
            "jobs publishes",
        ),
        (with_api(container_name="api"), Obstacle.NAME, "container_name"),
        (with_api(networks={"default": {"ipv4_address": "10.0.0.7"}}), Obstacle.ADDRESS, "ipv4_address"),
        (with_api(networks={"default": {"mac_address": "02:42:ac:11:00:07"}}), Obstacle.ADDRESS, "mac_address"),
        (with_api(mac_address="02:42:ac:11:00:07"), Obstacle.ADDRESS, "mac_address"),
        (with_api(network_mode="host"), Obstacle.NAMESPACE, "network_mode: host"),
        (with_api(network_mode="service:vpn"), Obstacle.NAMESPACE, "service:vpn"),
        (with_api(pid="host"), Obstacle.NAMESPACE, "pid: host"),
        (replace(FREE, sharing={"proxy": "the network of api"}), Obstacle.NAMESPACE, "proxy shares"),
        (replace(FREE, follows=None), Obstacle.GATEWAY, "traffic.follows"),
        (replace(FREE, gate=False, may_hold=False), Obstacle.GATEWAY, "no gate"),
        (replace(FREE, memory=Memory(2000 * _MIB, 1000 * _MIB)), Obstacle.MEMORY, "2000 MiB needed, 1000 MiB free"),
        (replace(FREE, memory=Memory(None, 1000 * _MIB)), Obstacle.MEMORY, "unknown whether there is memory"),
        (replace(FREE, memory=Memory(100 * _MIB, None)), Obstacle.MEMORY, "unknown whether there is memory"),
    ],
)
def test_what_forbids_it_is_said(seen: Circumstances, obstacle: Obstacle, word: str) -> None:
    """Each obstacle alone leads behind the closed gate, and the evidence names it."""
    found = decide(seen)
    assert found.mode == SwitchMode.BEHIND_CLOSED_GATE
    assert [each.obstacle for each in found.reasons] == [obstacle]
    assert word in "; ".join(found.evidence)


@pytest.mark.parametrize(
    ("seen", "meanwhile", "told"),
    [
        (replace(FREE, gate_first=True), Meanwhile.HELD, "requests wait meanwhile, for 20 s at most"),
        (replace(FREE, gate_first=True, schema_stays=False), Meanwhile.HELD, "requests wait"),
        (replace(FREE, gate_first=True, follows=None), Meanwhile.HELD, "requests wait"),
        (replace(FREE, gate_first=True, may_hold=False), Meanwhile.PAUSED, "requests are refused meanwhile"),
        (replace(FREE, schema_stays=False, migrates=True), Meanwhile.PAUSED, "requests are refused meanwhile"),
    ],
)
def test_requests_wait_behind_the_gate_where_it_can_hold(seen: Circumstances, meanwhile: Meanwhile, told: str) -> None:
    """Behind a closed gate requests are held; during a migration, or if the gate cannot hold, they are refused."""
    found = decide(seen)
    assert (found.mode, found.meanwhile) == (SwitchMode.BEHIND_CLOSED_GATE, meanwhile)
    assert found.evidence[-1].startswith(told)


def test_without_a_gate_users_meet_the_switch() -> None:
    """Without a gate traffic keeps flowing, and the evidence says that users may see errors."""
    found = decide(replace(FREE, gate=False, may_hold=False))
    assert (found.mode, found.meanwhile) == (SwitchMode.BEHIND_CLOSED_GATE, Meanwhile.FLOWING)
    assert found.evidence[-1] == "users may see errors meanwhile"
    assert [each for each in found.evidence if "requests" in each] == []


@pytest.mark.parametrize(
    ("seen", "meanwhile"),
    [
        (FREE, Meanwhile.HELD),
        (replace(FREE, may_hold=False), Meanwhile.PAUSED),
        (replace(FREE, follows="health"), Meanwhile.HELD),
        (replace(FREE, follows="health", may_hold=False), Meanwhile.FLOWING),
        (replace(FREE, follows="health", gate=False, may_hold=False), Meanwhile.FLOWING),
        (replace(FREE, asked_for="beside", follows=None), Meanwhile.HELD),
        (replace(FREE, asked_for="beside", memory=Memory(None, None)), Meanwhile.HELD),
    ],
)
def test_where_nothing_forbids_it(seen: Circumstances, meanwhile: Meanwhile) -> None:
    """Beside, requests are held if the gate can hold; else they are refused, or flow if the gateway follows health."""
    found = decide(seen)
    assert (found.mode, found.meanwhile, found.reasons) == (SwitchMode.BESIDE, meanwhile, ())
    assert found.evidence


def test_a_person_vouches_for_gateway_and_memory_alone() -> None:
    """`switch.mode = "beside"` overrides the gateway and memory obstacles only, not a published port."""
    found = decide(replace(with_api(ports=["80:80"]), asked_for="beside", follows=None))
    assert [each.obstacle for each in found.reasons] == [Obstacle.PORT]


def test_every_reason_is_said() -> None:
    """All obstacles are reported at once, so that nobody fixes one and then meets the next."""
    found = decide(replace(with_api(container_name="api", network_mode="host"), follows=None))
    assert [each.obstacle for each in found.reasons] == [Obstacle.NAME, Obstacle.NAMESPACE, Obstacle.GATEWAY]
