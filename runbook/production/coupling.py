"""What stands or falls together in a Compose project: who shares a namespace, who runs once, who follows the tag."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Services = Mapping[str, Mapping[str, Any]]

_SHARED = ("network_mode", "pid", "ipc")


def run_to_their_end(services: Services) -> frozenset[str]:
    """The services for whose end another one waits, as for a migration before the api starts."""
    waited_for = "service_completed_successfully"
    return frozenset(
        name
        for service in services.values()
        for name, how in _dependencies(service).items()
        if how.get("condition") == waited_for
    )


def may_run_to_its_end(service: Mapping[str, Any]) -> bool:
    """Tell whether the file says that a service may end: `restart: "no"` in so many words, and no health check."""
    return str(service.get("restart", "")).startswith(("no", "on-failure")) and "healthcheck" not in service


def sharing_with(services: Services, changed: Collection[str], names: Collection[str]) -> dict[str, str]:
    """The services that must be recreated with `changed`, and what they share with which.

    `names` are the names of their containers: `container:NAME` is a way to share as well.
    """
    found: dict[str, str] = {}
    while True:
        gone = {*changed, *found}
        more = {
            name: shared
            for name, service in services.items()
            if name not in gone and (shared := _shares(service, gone, names))
        }
        if not more:
            return found
        found |= more


def sharing_by_container_name(services: Services, names: Collection[str]) -> list[str]:
    """The services that share something of a container by its name: Compose does not see that they hang on it."""
    return sorted(name for name, service in services.items() if _shares(service, (), names))


def restarted_with(services: Services, changed: Collection[str]) -> list[str]:
    """The services that ask Compose to be restarted when one of `changed` is recreated, and share nothing with it."""
    return sorted(
        name
        for name, service in services.items()
        if name not in changed and any(_dependencies(service).get(each, {}).get("restart") for each in changed)
    )


def changing(now: Services, then: Services) -> dict[str, str]:
    """The services whose definition is another one in `then`, and what of it differs."""
    return {
        name: ", ".join(sorted(key for key in {*now[name], *then[name]} if now[name].get(key) != then[name].get(key)))
        for name in sorted(now.keys() & then.keys())
        if now[name] != then[name]
    }


def count_in_files(service: Mapping[str, Any]) -> int:
    """How many containers the file asks for."""
    replicas = (service.get("deploy") or {}).get("replicas")
    return int(next((number for number in (service.get("scale"), replicas) if number is not None), 1))


def _dependencies(service: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found = service.get("depends_on") or {}
    return found if isinstance(found, Mapping) else {str(name): {} for name in found}


def _shares(service: Mapping[str, Any], gone: Iterable[str], names: Collection[str]) -> str:
    """Say what a service shares with one of `gone`; empty when nothing."""
    words = {f"service:{name}": name for name in gone} | {f"container:{name}": name for name in names}
    for key in _SHARED:
        if other := words.get(str(service.get(key, ""))):
            return f"the {key.removesuffix('_mode')} of {other}"
    for volume in service.get("volumes_from") or ():
        name = str(volume).removeprefix("container:").split(":", 1)[0]
        if name in words.values():
            return f"the volumes of {name}"
    return ""
