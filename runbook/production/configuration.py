"""The configuration of a release: its Compose files, what Compose makes of them, and the values of its env file."""

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
    """One value: its text, and whether it may be kept and shown only as a hash."""

    text: str
    secret: bool = False


#: The values of each part, by their keys: the path of a Compose file, `services.api.environment.X`, a variable.
Configuration = Mapping[Part, Mapping[str, Value]]


class How(StrEnum):
    """How a key differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """One key that differs between two configurations; `was` and `now` only where neither is secret."""

    part: Part
    key: str
    how: How
    was: str | None = None
    now: str | None = None


def configuration_with(
    production: Production, env_file: EnvFileOnHost, tag: str, shown: Collection[str]
) -> Configuration:
    """Read the configuration with which `tag` would start now, whatever tag the env file names.

    `shown` names the variables whose values in the env file are no secret; all others there are.
    Raises RunbookError when a part of it cannot be read.
    """
    found = env_file.read()
    # Compose has been asked already for what the env file names by now.
    named = found.values.get(production.project.tag_variable) == tag
    config = production.config(None if named else tag)
    # What begins with x- is there to be referred to, and changes nothing by itself.
    used = {name: found for name, found in config.items() if not name.startswith("x-")}
    # The bytes that a switch would write are asked for, and no others later.
    then = found if named else env_file.with_values(found, {production.project.tag_variable: tag})
    moved = {name: (str(found.values.get(name)), text) for name, text in then.values.items()}
    # What the shell sets is not the env file's, even if a comment there has its name.
    own = {name: value for name, value in then.values.items() if name not in production.host.environment}
    # Also those that are too short to be struck out wherever they stand.
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
    """Return the key of the value to which these names lead; the name of a service, or the like, may have dots in it.

    >>> key_of(["services", "api", "labels", "org.example"]), key_of(["services", "api.v2", "image"])
    ('services.api.labels.org.example', 'services."api.v2".image')
    """
    return ".".join(f'"{name}"' if place == 1 and "." in name else name for place, name in enumerate(path))


def whole_of(key: str) -> str:
    """Return the key of the service, or the like, to which such a key belongs: it comes and goes as a whole.

    >>> whole_of('services."api.v2".image'), whole_of("services.api.labels.org.example")
    ('services."api.v2"', 'services.api')
    """
    found = _WHOLE.match(key)
    return found[0] if found else key


def _hashes(production: Production) -> dict[str, str]:
    """The SHA-256 of each Compose file."""
    files = production.invocation.files
    found = {}
    for path in files:
        read = production.files.content(absolute_path(production.project, path), secret=True)
        if read is None:
            raise Inconclusive(f"the Compose file {path} is not there", "run this as the user who deploys")
        found[path] = hashlib.sha256(read.content).hexdigest()
    return found


def _leaves(found: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value with the names that lead to it. A list is one value: its places mean nothing."""
    for name, each in found.items():
        if isinstance(each, Mapping) and each:
            yield from _leaves(each, (*path, name))
        else:
            yield (*path, name), each


def _then(path: tuple[str, ...], leaf: Any, moved: Mapping[str, tuple[str, str]]) -> Any:
    """What is there once the env file names the tag: a service that is given that file reads the tag from the disk."""
    if path[0] != "services" or path[2:3] != ("environment",) or not isinstance(leaf, str):
        return leaf
    now, then = moved.get(path[-1], (None, ""))
    return then.replace("$", "$$") if unescaped(leaf) == now else leaf


def _value(path: tuple[str, ...], leaf: Any, env_file: EnvFileOnHost, secrets: Collection[str]) -> Value:
    text = unescaped(leaf if isinstance(leaf, str) else json.dumps(leaf, sort_keys=True, ensure_ascii=False))
    content = path[0] in ("configs", "secrets") and path[-1] == "content"
    return Value(text, content or text in secrets or env_file.is_secret(path[-1], text))
