"""The configuration of a release: its Compose files, their rendered form, and the values of its env file."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from runbook.errors import Inconclusive
from runbook.production.compose import Production, unescaped
from runbook.production.env_file import EnvFileOnHost
from runbook.production.invocation import absolute_path

_WHOLE = re.compile(r'[^.]*(?:\.(?:"[^"]*"|[^.]*))?')


class Part(StrEnum):
    """The parts of a configuration."""

    VERSION = "version of Compose"
    FILES = "Compose file"
    RENDERED = "Compose configuration"
    ENV_FILE = "env file"


class Value(NamedTuple):
    """One value: its text, and whether it is secret. A secret is kept and shown only as a hash."""

    text: str
    secret: bool = False


#: The values of each part by key: the path of a Compose file, `services.api.environment.X`, or a variable.
Configuration = Mapping[Part, Mapping[str, Value]]


class How(StrEnum):
    """The kinds of differences."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """One key that differs between two configurations. `was` and `now` are set only if neither is secret."""

    part: Part
    key: str
    how: How
    was: str | None = None
    now: str | None = None


def configuration_with(
    production: Production, env_file: EnvFileOnHost, tag: str, shown: Collection[str]
) -> Configuration:
    """Read the configuration with which `tag` would start now, whatever tag the env file has.

    `shown` names the env file's variables that are not secret. All others are.
    Raises RunbookError when a part of the configuration cannot be read.
    """
    found = env_file.read()
    # If the env file already has this tag, Compose's answer is cached.
    named = found.values.get(production.project.tag_variable) == tag
    config = production.config(None if named else tag)
    # Extensions (x-) only exist to be referred to. They change nothing themselves.
    used = {name: found for name, found in config.items() if not name.startswith("x-")}
    # Compose reads the exact bytes that a switch would write, so that the switch finds its answer cached.
    then = found if named else env_file.with_values(found, {production.project.tag_variable: tag})
    moved = {name: (str(found.values.get(name)), text) for name, text in then.values.items()}
    # A variable of the host's environment is not the env file's, even if a comment in the file has its name.
    own = {name: value for name, value in then.values.items() if name not in production.host.environment}
    # Includes secrets that are too short for the redactor.
    secrets = {value for name, value in own.items() if value and env_file.is_secret(name, value)}
    return {
        Part.VERSION: {"docker compose": Value(production.compose_version)},
        Part.FILES: {path: Value(digest) for path, digest in _hashes(production).items()},
        Part.RENDERED: {
            key_of(path): _value(path, _then(path, leaf, moved), env_file, secrets) for path, leaf in _leaves(used)
        },
        Part.ENV_FILE: {name: Value(value, name not in shown) for name, value in own.items()},
    }


def key_of(path: Sequence[str]) -> str:
    """Return the key of the value at this path of names. The name of a service or the like may contain dots.

    >>> key_of(["services", "api", "labels", "org.example"]), key_of(["services", "api.v2", "image"])
    ('services.api.labels.org.example', 'services."api.v2".image')
    """
    return ".".join(f'"{name}"' if place == 1 and "." in name else name for place, name in enumerate(path))


def whole_of(key: str) -> str:
    """Return the key of the service or the like that contains a key. It is added and removed as a whole.

    >>> whole_of('services."api.v2".image'), whole_of("services.api.labels.org.example")
    ('services."api.v2"', 'services.api')
    """
    found = _WHOLE.match(key)
    return found[0] if found else key


def _hashes(production: Production) -> dict[str, str]:
    """Return the SHA-256 of each Compose file."""
    files = production.invocation.files
    found = {}
    for path in files:
        read = production.files.content(absolute_path(production.project, path), secret=True)
        if read is None:
            raise Inconclusive(f"the Compose file {path} does not exist", "run this as the user that deploys")
        found[path] = hashlib.sha256(read.content).hexdigest()
    return found


def _leaves(found: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value with its path of names. A list is one value, because positions in it mean nothing."""
    for name, each in found.items():
        if isinstance(each, Mapping) and each:
            yield from _leaves(each, (*path, name))
        else:
            yield (*path, name), each


def _then(path: tuple[str, ...], leaf: Any, moved: Mapping[str, tuple[str, str]]) -> Any:
    """Return the leaf as it will be once the env file has the tag.

    A service with the env file as its `env_file` gets the values on the disk, which still have the old tag.
    """
    if path[0] != "services" or path[2:3] != ("environment",) or not isinstance(leaf, str):
        return leaf
    now, then = moved.get(path[-1], (None, ""))
    return then.replace("$", "$$") if unescaped(leaf) == now else leaf


def _value(path: tuple[str, ...], leaf: Any, env_file: EnvFileOnHost, secrets: Collection[str]) -> Value:
    text = unescaped(leaf if isinstance(leaf, str) else json.dumps(leaf, sort_keys=True, ensure_ascii=False))
    content = path[0] in ("configs", "secrets") and path[-1] == "content"
    return Value(text, content or text in secrets or env_file.is_secret(path[-1], text))
