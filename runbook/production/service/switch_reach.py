"""What of a container follows a kill switch, as Compose itself says: it is asked twice, with two values of it."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runbook.errors import HostError, ProductionError
from runbook.hosts.command import Completed, parsed_json
from runbook.production.compose import Production, unescaped
from runbook.production.containers import Container
from runbook.settings.schema import SwitchSettings

_Services = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Inside:
    """What of a service's containers follows the switch.

    `variables` holds the value that each of its variables is to have; `argv` words that are to stand in its command, or
    None when the command does not follow; `others` are other parts of the service, which no look inside shows.
    """

    variables: Mapping[str, str]
    argv: tuple[str, ...] | None
    others: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.variables or self.argv is not None or self.others)

    @property
    def can_be_seen(self) -> bool:
        """Tell whether a look into a container shows what follows."""
        return bool(self.variables) or self.argv is not None

    @property
    def words(self) -> str:
        """By what the switch reaches it."""
        command = ["its command"] if self.argv is not None else []
        return ", ".join((*self.variables, *command, *(f"its {part}" for part in self.others)))

    def seen_in(self, container: Container) -> tuple[bool, str]:
        """Whether a container has all of it, and what it has, in words."""
        now = {name: container.environment.get(name, "(not set)") for name in self.variables}
        seen = [f"{name}={value}" for name, value in now.items()]
        good = now == dict(self.variables)
        if self.argv is not None:
            # An entrypoint of the image's stands before it.
            there = container.argv[len(container.argv) - len(self.argv) :] == self.argv
            seen.append(f"its command {'as' if there else 'not as'} the switch makes it")
            good = good and there
        return good, f"{container.name} sees {', '.join(seen)}"


def inside(production: Production, switch: SwitchSettings, value: str, tag: str | None) -> dict[str, Inside]:
    """What follows the switch in each service that it reaches, with what it is to be when the switch says `value`.

    `tag` is the release whose files are read. Raises ProductionError when Compose cannot read them.
    """
    other = switch.off if value == switch.on else switch.on
    wanted, changed = (_services(production, switch.variable, each, tag) for each in (value, other))
    handed_over = _handed_over(production, switch.variable)
    found = {}
    for name, service in wanted.items():
        differs = [key for key, part in service.items() if part != changed.get(name, {}).get(key)]
        now, then = (_environment(each) for each in (service, changed.get(name, {})))
        variables = {key: text for key, text in now.items() if text != then.get(key)}
        if name in handed_over and switch.variable in now:
            variables[switch.variable] = value
        argv = None
        if {"command", "entrypoint"} & set(differs):
            argv = tuple(unescaped(word) for key in ("entrypoint", "command") for word in service.get(key) or ())
        others = tuple(key for key in differs if key not in ("environment", "command", "entrypoint"))
        found[name] = Inside(variables, argv, others)
    return {name: each for name, each in found.items() if each}


def _services(production: Production, variable: str, value: str, tag: str | None) -> _Services:
    """Every service as Compose reads the files when the variable has this value."""
    command = production.compose("config", "--format", "json")
    asking = production.with_tag(tag, command)
    asking = replace(asking, argv=("env", f"{variable}={value}", *asking.argv), secret_output=True)

    def read(answer: Completed) -> _Services:
        if answer.exit_code != 0:
            raise ProductionError(
                f"Compose cannot read the project with {variable}={value}: {answer.last_line}",
                f"run `{command}` in {production.directory} and mend what it says",
            )
        return {name: service for name, service in _dict(parsed_json(answer, dict), "services").items() if service}

    return production.host.ask(asking, read)


def _handed_over(production: Production, variable: str) -> set[str]:
    """The services that take the env file as a whole (`env_file:`), and do not set the variable themselves.

    Compose reads such a file as it lies there, whatever the shell says.
    """
    path = posixpath.normpath(posixpath.join(production.directory, production.project.env_file))
    asking = replace(production.compose("config", "--no-interpolate", "--format", "json"), secret_output=True)
    try:
        services = _dict(production.host.ask(asking, lambda answer: parsed_json(answer, dict)), "services")
    except HostError:  # an older Compose: what it interpolates is known all the same
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
