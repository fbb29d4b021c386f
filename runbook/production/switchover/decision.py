"""The decision how the target replaces the failed release: beside it, or behind a closed gate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_SHARED = ("network_mode", "pid", "ipc", "uts", "userns_mode")
_ADDRESSES = ("ipv4_address", "ipv6_address", "mac_address", "link_local_ips")
_MIB = 1 << 20


class SwitchMode(StrEnum):
    """The ways to switch: the target proves itself beside the failed release, or behind a closed gate."""

    BESIDE = "beside"
    BEHIND_CLOSED_GATE = "behind-closed-gate"


class Meanwhile(StrEnum):
    """What happens to traffic while the failed containers are removed: it waits, is refused, or keeps flowing."""

    HELD = "held"
    PAUSED = "paused"
    FLOWING = "flowing"


class Obstacle(StrEnum):
    """The reasons against bringing the target up beside the failed release."""

    ASKED_FOR = "asked for"
    SETTING = "setting"
    BEGUN = "begun"
    SCHEMA = "schema"
    CONFIGURATION = "configuration"
    SAME_TAG = "same tag"
    NOT_RUNNING = "not running"
    PORT = "port"
    NAME = "container name"
    ADDRESS = "address"
    NAMESPACE = "namespace"
    GATEWAY = "gateway"
    MEMORY = "memory"


#: Obstacles that `switch.mode` = `beside` overrides. The others count whatever the settings say.
_VOUCHED_FOR = (Obstacle.GATEWAY, Obstacle.MEMORY)


@dataclass(frozen=True)
class Reason:
    """One obstacle, and what was seen, in words."""

    obstacle: Obstacle
    seen: str


@dataclass(frozen=True)
class Memory:
    """The bytes that the containers beside would need, and the bytes free on the host; None when unknown."""

    needed: int | None
    free: int | None


@dataclass(frozen=True)
class Circumstances:
    """The facts for the decision.

    `services` are the target's, as Compose renders them. `beside` are the services that would come up beside the failed
    release's containers, `in_turn` those whose containers are stopped before new ones start. `follows` is how the
    gateway learns of containers (`addresses`, `health`; None when unknown). `gate` is whether there is a traffic gate,
    `may_hold` whether it can hold traffic. `migrates` is whether the strategy runs a migration, whose duration grows
    with the data.
    """

    services: Mapping[str, Mapping[str, Any]]
    beside: tuple[str, ...]
    in_turn: tuple[str, ...] = ()
    schema_stays: bool = True
    migrates: bool = False
    asked_for: str = "auto"
    gate_first: bool = False
    #: Whether the incident changed production before a switch mode was decided.
    begun: bool = False
    restored: tuple[str, ...] = ()
    same_tag: bool = False
    not_running: tuple[str, ...] = ()
    sharing: Mapping[str, str] = field(default_factory=dict)
    follows: str | None = None
    gate: bool = True
    may_hold: bool = False
    hold_seconds: float = 10
    memory: Memory = Memory(0, 0)


@dataclass(frozen=True)
class Decided:
    """The mode, what happens to traffic meanwhile, the obstacles if any, and the evidence in words."""

    mode: SwitchMode
    meanwhile: Meanwhile
    reasons: tuple[Reason, ...]
    evidence: tuple[str, ...]


def decide(seen: Circumstances) -> Decided:
    """Decide how to switch."""
    reasons = tuple(_reasons(seen))
    if reasons:
        meanwhile = _behind(seen)
        traffic = {
            Meanwhile.HELD: f"requests wait meanwhile, for {seen.hold_seconds:g} s at most",
            Meanwhile.PAUSED: "requests are refused meanwhile",
            Meanwhile.FLOWING: "users may see errors meanwhile",
        }
        told = (*(each.seen for each in reasons), traffic[meanwhile])
        return Decided(SwitchMode.BEHIND_CLOSED_GATE, meanwhile, reasons, told)
    meanwhile = _meanwhile(seen)
    return Decided(SwitchMode.BESIDE, meanwhile, (), tuple(_evidence(seen, meanwhile)))


def _behind(seen: Circumstances) -> Meanwhile:
    if not seen.gate:
        return Meanwhile.FLOWING
    return Meanwhile.HELD if seen.may_hold and not seen.migrates else Meanwhile.PAUSED


def _meanwhile(seen: Circumstances) -> Meanwhile:
    if seen.gate and seen.may_hold:
        return Meanwhile.HELD
    return Meanwhile.FLOWING if seen.follows == "health" or not seen.gate else Meanwhile.PAUSED


def _reasons(seen: Circumstances) -> Iterator[Reason]:
    if seen.gate_first:
        yield Reason(Obstacle.ASKED_FOR, "--close-gate-first was given: the failed release does harm while it serves")
    if seen.asked_for == SwitchMode.BEHIND_CLOSED_GATE:
        yield Reason(Obstacle.SETTING, "switch.mode is behind-closed-gate")
    if seen.begun:
        yield Reason(Obstacle.BEGUN, "the incident changed production before a mode was decided")
    for each in _of_production(seen):
        if seen.asked_for != SwitchMode.BESIDE or each.obstacle not in _VOUCHED_FOR:
            yield each


def _of_production(seen: Circumstances) -> Iterator[Reason]:
    if not seen.schema_stays:
        yield Reason(Obstacle.SCHEMA, "the schema changes, and both releases would run on it")
    if seen.restored:
        yield Reason(Obstacle.CONFIGURATION, f"{', '.join(seen.restored)} changes with the tag")
    if seen.same_tag:
        yield Reason(Obstacle.SAME_TAG, "a running container has the target's tag: the two could not be told apart")
    if seen.not_running:
        yield Reason(Obstacle.NOT_RUNNING, "; ".join(seen.not_running))
    for name in seen.beside:
        yield from _of_service(name, seen.services.get(name, {}))
    for name in seen.in_turn:
        if seen.services.get(name, {}).get("ports"):
            yield Reason(Obstacle.PORT, f"{name} publishes ports of the host, where users may reach it")
    for name, shared in seen.sharing.items():
        yield Reason(Obstacle.NAMESPACE, f"{name} shares {shared}")
    yield from _of_gateway(seen)
    yield from _of_memory(seen.memory)


def _of_service(name: str, service: Mapping[str, Any]) -> Iterator[Reason]:
    if service.get("ports"):
        yield Reason(Obstacle.PORT, f"{name} publishes ports of the host, which two containers cannot share")
    if service.get("container_name"):
        yield Reason(Obstacle.NAME, f"{name} has a container_name, which two containers cannot share")
    networks: Mapping[str, Any] = service.get("networks") or {}
    fixed = {key for each in networks.values() for key in _ADDRESSES if (each or {}).get(key)}
    fixed |= {"mac_address"} & service.keys()
    if fixed:
        yield Reason(Obstacle.ADDRESS, f"{name} has a fixed {', '.join(sorted(fixed))}")
    for key in _SHARED:
        mode = str(service.get(key) or "")
        if mode == "host" or mode.startswith(("service:", "container:")):
            yield Reason(Obstacle.NAMESPACE, f"{name} has {key}: {mode}")


def _of_gateway(seen: Circumstances) -> Iterator[Reason]:
    if seen.follows is None:
        yield Reason(
            Obstacle.GATEWAY,
            "traffic.follows is not set, so it is unknown how the gateway finds new containers",
        )
    elif seen.follows != "health" and not seen.gate:
        yield Reason(Obstacle.GATEWAY, "no gate holds traffic while the failed containers are removed")


def _of_memory(memory: Memory) -> Iterator[Reason]:
    if memory.needed is None or memory.free is None:
        yield Reason(Obstacle.MEMORY, "it is unknown whether there is memory for both")
    elif memory.needed > memory.free:
        yield Reason(
            Obstacle.MEMORY,
            f"not enough memory for both: {memory.needed // _MIB} MiB needed, {memory.free // _MIB} MiB free",
        )


def _evidence(seen: Circumstances, meanwhile: Meanwhile) -> Sequence[str]:
    names, needed, free = ", ".join(seen.beside), seen.memory.needed or 0, seen.memory.free or 0
    traffic = {
        Meanwhile.HELD: "requests wait meanwhile",
        Meanwhile.PAUSED: "traffic is paused meanwhile",
        Meanwhile.FLOWING: "the gateway follows health",
    }
    return f"{names} twice ({needed // _MIB} of {free // _MIB} MiB)", traffic[meanwhile]
