"""The effect of a kill switch inside containers: Compose renders its files with both values, and they are compared."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runbook.errors import HostError
from runbook.hosts.command import parsed_json
from runbook.production.compose import Production, unescaped
from runbook.production.containers import Container
from runbook.settings.application import SwitchSettings


@dataclass(frozen=True)
class Effect:
    """The parts of a service that depend on the switch.

    `variables` maps variables to the values that they must have. `argv` is what the command must end with; None when
    the command does not depend on the switch. `others` are parts that cannot be seen inside a container.
    """

    variables: Mapping[str, str]
    argv: tuple[str, ...] | None
    others: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.variables or self.argv is not None or self.others)

    @property
    def can_be_seen(self) -> bool:
        """Whether a part that depends on the switch can be seen inside a container."""
        return bool(self.variables) or self.argv is not None

    @property
    def words(self) -> str:
        """The parts that depend on the switch, in words."""
        command = ["its command"] if self.argv is not None else []
        return ", ".join((*self.variables, *command, *(f"its {part}" for part in self.others)))

    def seen_in(self, container: Container) -> tuple[bool, str]:
        """Return whether a container has all required values, and what it has, in words."""
        now = {name: container.environment.get(name, "(not set)") for name in self.variables}
        seen = [f"{name}={value}" for name, value in now.items()]
        good = now == dict(self.variables)
        if self.argv is not None:
            # The image's entrypoint may come first.
            there = container.argv[len(container.argv) - len(self.argv) :] == self.argv
            seen.append(f"its command {'as' if there else 'not as'} the switch sets it")
            good = good and there
        return good, f"{container.name} sees {', '.join(seen)}"


def effects_of(production: Production, switch: SwitchSettings, value: str, tag: str | None) -> dict[str, Effect]:
    """Return the required effect of `value` on each service that the switch reaches.

    Compose reads its files with `tag`. Raises ProductionError when it cannot read them.
    """
    other = switch.off if value == switch.on else switch.on
    wanted, changed = (production.services(tag, {switch.variable: each}) for each in (value, other))
    handed_over = _handed_over(production, switch.variable)
    found = {}
    for name, service in ((name, service) for name, service in wanted.items() if service):
        differs = [key for key, part in service.items() if part != (changed.get(name) or {}).get(key)]
        now, then = (_environment(each) for each in (service, (changed.get(name) or {})))
        variables = {key: text for key, text in now.items() if text != then.get(key)}
        if name in handed_over and switch.variable in now:
            variables[switch.variable] = value
        argv = None
        if {"command", "entrypoint"} & set(differs):
            argv = tuple(unescaped(word) for key in ("entrypoint", "command") for word in service.get(key) or ())
        others = tuple(key for key in differs if key not in ("environment", "command", "entrypoint"))
        found[name] = Effect(variables, argv, others)
    return {name: each for name, each in found.items() if each}


def _handed_over(production: Production, variable: str) -> set[str]:
    # Services that take the whole env file (`env_file:`) and do not set the variable themselves. Compose passes the
    # file's value to them, whatever the shell's variables.
    path = posixpath.normpath(posixpath.join(production.directory, production.project.env_file))
    asking = replace(production.compose("config", "--no-interpolate", "--format", "json"), secret_output=True)
    try:
        services = _dict(production.host.ask(asking, lambda answer: parsed_json(answer, dict)), "services")
    except HostError:  # an older Compose
        return set()
    found = set()
    for name, service in services.items():
        files = [each.get("path") if isinstance(each, Mapping) else each for each in service.get("env_file") or ()]
        own = service.get("environment") or ()
        names = {str(each).partition("=")[0] for each in own}
        if path in files and variable not in names:
            found.add(name)
    return found


def _environment(service: Mapping[str, Any]) -> dict[str, str]:
    return {name: unescaped(value) for name, value in (service.get("environment") or {}).items() if value is not None}


def _dict(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}
