"""The address of the Docker engine, found as `docker` finds it, in the same order of precedence."""

import json
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.errors import EngineError
from runbook.hosts.command import Command, Completed, parsed_json

_LOCAL = "unix:///var/run/docker.sock"
_DEADLINE = 10.0  # seconds, to read a context
_FILES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True)
class EngineAddress:
    """The URL of an engine, and its TLS files: authority, certificate and key, each empty if there is none.

    Without `verify` the engine's certificate is not checked. `name` is the engine's name in messages if `url` is only a
    socket that leads to it. `trouble` returns why the engine cannot be reached there; empty if unknown. With `dialed`
    each connection to the socket starts a program.
    """

    url: str
    authority: str = ""
    certificate: str = ""
    key: str = ""
    tls: bool = False
    verify: bool = True
    name: str = ""
    trouble: Callable[[], str] = str
    dialed: bool = False


def engine_address(environment: Mapping[str, str], run: Callable[[Command], Completed]) -> EngineAddress:
    """Return the engine that `docker` would use in the `environment`. `docker` itself reads the context.

    Raises EngineError when the context cannot be read, and everything that `run` raises.
    """
    folder = environment.get("DOCKER_CONFIG") or posixpath.join(environment.get("HOME", "/"), ".docker")
    if url := environment.get("DOCKER_HOST"):
        if not environment.get("DOCKER_TLS_VERIFY"):
            return EngineAddress(url)
        return EngineAddress(url, *_files_in(environment.get("DOCKER_CERT_PATH") or folder), tls=True)
    name = environment.get("DOCKER_CONTEXT") or _current_context(folder)
    if name in ("", "default"):
        return EngineAddress(_LOCAL)
    answer = run(Command(("docker", "context", "inspect", name), _DEADLINE))
    if answer.exit_code != 0:
        raise EngineError(f"the docker context {name} cannot be read: {answer.last_line}", "docker context ls")
    try:
        return _of_context(parsed_json(answer, list)[0])
    except (LookupError, TypeError, AttributeError):
        raise EngineError(f"the docker context {name} has no engine endpoint", "docker context ls") from None


def _of_context(context: Mapping[str, Any]) -> EngineAddress:
    endpoint = context["Endpoints"]["docker"]
    url, kept = str(endpoint["Host"]), (context.get("TLSMaterial") or {}).get("docker")
    if not kept:
        return EngineAddress(url)
    place = posixpath.join(str(context["Storage"]["TLSPath"]), "docker")
    return EngineAddress(url, *_files_in(place), tls=True, verify=not endpoint.get("SkipTLSVerify"))


def _files_in(folder: str) -> tuple[str, str, str]:
    found = [path if Path(path := posixpath.join(folder, name)).is_file() else "" for name in _FILES]
    return found[0], found[1], found[2]


def _current_context(folder: str) -> str:
    try:
        found = json.loads(Path(folder, "config.json").read_bytes())
        return str(found.get("currentContext") or "")
    except (OSError, ValueError, RecursionError, AttributeError):
        return ""
