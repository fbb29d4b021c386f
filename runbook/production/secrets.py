"""Production's secrets, from the Compose files and from its containers.

The two can differ: a secret changed in the env file stays in the containers until they are recreated.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from runbook.errors import HostError, ProductionError
from runbook.hosts.command import Command, Completed
from runbook.production.compose import Production, unescaped
from runbook.production.env_file import EnvFileOnHost
from runbook.secrets.redactor import passwords_of_url, secrets_in

_MOST_BYTES = 65536  # of a secret's file


def secrets_of(production: Production, env_file: EnvFileOnHost, listed: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, secret) for every service, config, secret, build and container of the project.

    `listed` names secret variables whose names do not look secret. Raises ProductionError when the project, a secret's
    file or the containers cannot be read, because unknown secrets cannot be redacted.
    """
    listed = tuple(listed)
    project = _as_compose_reads(production)
    for service in _members(project, "services"):
        yield from secrets_in(_strings(service.get("environment")), listed)
        yield from secrets_in(_strings(_mapping(service.get("build")).get("args")), listed)
    yield from _urls(project)
    kept = {
        name: kept
        for part in ("configs", "secrets")
        for name, kept in _mapping(project.get(part)).items()
        if isinstance(kept, Mapping)
    }
    variables = {str(each["environment"]) for each in kept.values() if each.get("environment")}
    if variables:
        yield from env_file.values_of(sorted(variables)).items()
    for name, secret in _mapping(project.get("secrets")).items():
        if path := _mapping(secret).get("file"):
            yield name, _file(production, str(path))
    for container in _containers(production):
        yield from secrets_in(_assignments(container.get("Env")), listed)
        yield from _urls(container)


def _as_compose_reads(production: Production) -> Mapping[str, Any]:
    # Includes services of inactive profiles if Compose can read them: they have secrets too.
    config = ("config", "--format", "json")
    answer = _secretly(production, production.compose("--profile", "*", *config))
    if answer.exit_code != 0:
        answer = _secretly(production, production.compose(*config))
    if answer.exit_code != 0:
        raise ProductionError(
            f"Compose cannot read the project in {production.directory}, so its secrets are unknown",
            f"run this there and fix the error that it reports: {production.compose('config', '--quiet')}",
        )
    return _mapping(_parsed(unescaped(answer.text)))


def _file(production: Production, path: str) -> str:
    found = _secretly(production, production.command("head", "-c", str(_MOST_BYTES), "--", path))
    if found.exit_code != 0 and "No such file or directory" not in found.errors:
        raise ProductionError(
            f"the file {path} of production's secrets cannot be read: {found.last_line}",
            f"run this as a user that may read it: ls -l {shlex.quote(path)}",
        )
    return found.text


def _containers(production: Production) -> list[Mapping[str, Any]]:
    try:
        return [_mapping(_mapping(each).get("Config")) for each in production.inspect_containers()]
    except HostError as error:
        raise ProductionError(
            f"the containers cannot be listed, so their secrets are unknown: {error.seen}", error.next_step
        ) from None


def _secretly(production: Production, command: Command) -> Completed:
    return production.host.run(replace(command, secret_output=True))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ProductionError(
            "docker printed no JSON, so production's secrets are unknown",
            "check that the engine answers: `docker version`",
        ) from None


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _members(project: Mapping[str, Any], part: str) -> list[Mapping[str, Any]]:
    return [_mapping(each) for each in _mapping(project.get(part)).values()]


def _strings(found: Any) -> dict[str, str]:
    return {name: str(value) for name, value in _mapping(found).items() if value is not None}


def _assignments(found: Any) -> dict[str, str]:
    return dict(line.split("=", 1) for line in found or [] if "=" in line)


def _urls(found: Any) -> Iterator[tuple[str, str]]:
    if isinstance(found, str):
        yield from (("URL", password) for password in passwords_of_url(found))
    elif isinstance(found, Mapping | list):
        for each in found.values() if isinstance(found, Mapping) else found:
            yield from _urls(each)
