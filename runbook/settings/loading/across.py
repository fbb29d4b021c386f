"""Contradictions between sections of the settings, reported together with the mistakes within sections.

Some sections may be invalid. An invalid section is not compared with others.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runbook.settings.loading.problems import Problem

_VAULT = "a secret is in Vault, but there is no section [vault] with its address"


def problems_across(given: Mapping[str, Any], wrong: Collection[str | int]) -> list[Problem]:
    """Return every contradiction between sections of `given`. Those in `wrong` are invalid."""
    sound = {name: value for name, value in given.items() if name not in wrong and isinstance(value, Mapping)}
    return [*_services(sound), *_vault(given, wrong), *_addresses(sound, wrong)]


def _services(sound: Mapping[str, Any]) -> Iterator[Problem]:
    if "project" not in sound:
        return
    services = sound["project"].get("services", ["api", "jobs"])
    for key in ("migrations", "health"):
        named = sound.get(key, {}).get("service")
        if named is not None and named not in services:
            known = ", ".join(map(str, services))
            yield Problem((key, "service"), f"{named} is not among project.services (allowed: {known})")


def _vault(given: Mapping[str, Any], wrong: Collection[str | int]) -> Iterator[Problem]:
    if "vault" in given or "vault" in wrong:
        return
    for key, value in given.items():
        if key not in wrong:
            yield from (Problem((key, *path), _VAULT) for path in _in_vault(value))


def _in_vault(value: Any) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("vault"), str):
            yield ()
        for key, below in value.items():
            yield from ((key, *path) for path in _in_vault(below))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from ((place, *path) for path in _in_vault(below))


def _addresses(sound: Mapping[str, Any], wrong: Collection[str | int]) -> Iterator[Problem]:
    public = "traffic" in sound or "traffic" in wrong
    if "metrics" in sound and "url" not in sound["metrics"] and not public:
        yield Problem(("metrics",), "its path is below traffic.public_url, which is missing: set that, or metrics.url")
