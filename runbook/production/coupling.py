"""Dependencies between Compose services: shared namespaces and volumes, one-shots, restarts."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Services = Mapping[str, Mapping[str, Any]]

_SHARED = ("network_mode", "pid", "ipc")


def waited_for_services(services: Services) -> frozenset[str]:
    """Return the services whose end another service waits for (`service_completed_successfully`)."""
    waits = [pair for service in services.values() for pair in _dependencies(service).items()]
    return frozenset(name for name, how in waits if how.get("condition") == "service_completed_successfully")


def may_end_by_file(service: Mapping[str, Any]) -> bool:
    """Return whether a service may end: an explicit `restart: "no"` or on-failure in its file, and no health check."""
    return str(service.get("restart", "")).startswith(("no", "on-failure")) and "healthcheck" not in service


def sharing_with(services: Services, changed: Collection[str], names: Collection[str]) -> dict[str, str]:
    """Return the services that must be recreated with `changed`, each with what it shares with another.

    `names` are the names of the containers of `changed`, for `container:NAME`.
    """
    found: dict[str, str] = {}
    while True:
        gone = {*changed, *found}
        words = _words(gone, names)
        more = {
            name: shared
            for name, service in services.items()
            if name not in gone and (shared := _shares(service, words))
        }
        if not more:
            return found
        found |= more


def sharing_by_container_name(services: Services, names: Collection[str]) -> list[str]:
    """Return the services that refer to one of these containers by name, which Compose does not track."""
    words = _words((), names)
    return sorted(name for name, service in services.items() if _shares(service, words))


def restarted_with(services: Services, changed: Collection[str]) -> list[str]:
    """Return the services that Compose restarts when one of `changed` is recreated (`depends_on: restart`)."""
    return sorted(
        name
        for name, service in services.items()
        if name not in changed and any(_dependencies(service).get(each, {}).get("restart") for each in changed)
    )


def changed_definitions(now: Services, then: Services) -> dict[str, str]:
    """Return the services whose definitions differ between `now` and `then`, and the keys that differ."""
    return {
        name: ", ".join(sorted(key for key in {*now[name], *then[name]} if now[name].get(key) != then[name].get(key)))
        for name in sorted(now.keys() & then.keys())
        if now[name] != then[name]
    }


def count_in_files(service: Mapping[str, Any]) -> int:
    """Return the number of containers that the Compose file asks for.

    >>> count_in_files({"deploy": {"replicas": 3}}), count_in_files({})
    (3, 1)
    """
    replicas = (service.get("deploy") or {}).get("replicas")
    return int(next((number for number in (service.get("scale"), replicas) if number is not None), 1))


def _dependencies(service: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found = service.get("depends_on") or {}
    return found if isinstance(found, Mapping) else {str(name): {} for name in found}


def _words(gone: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Map the words by which a Compose file refers to these services and containers to their names."""
    return {f"service:{name}": name for name in gone} | {f"container:{name}": name for name in names}


def _shares(service: Mapping[str, Any], words: Mapping[str, str]) -> str:
    for key in _SHARED:
        if other := words.get(str(service.get(key, ""))):
            return f"the {key.removesuffix('_mode')} of {other}"
    for volume in service.get("volumes_from") or ():
        name = str(volume).removeprefix("container:").split(":", 1)[0]
        if f"service:{name}" in words or f"container:{name}" in words:
            return f"the volumes of {name}"
    return ""
