"""The other files that a Compose file names: files that it includes or extends, and its services' env files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from runbook.errors import ProductionError


class _Loader(yaml.SafeLoader):
    """A YAML loader that accepts Compose's tags (`!reset`, `!override`). They do not change which files are named."""


def _untagged(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _untagged)


@dataclass(frozen=True)
class Named:
    """The files that a Compose file includes or extends, and the env files of each of its services."""

    parts: tuple[str, ...]
    env_files: Mapping[str, tuple[str, ...]]


def named_in(path: str, content: bytes) -> Named:
    """Return the files that the Compose file `path` names. Raises ProductionError when it is not YAML."""
    try:
        found = yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ProductionError(f"{path} is not valid YAML{where}", f"correct {path}") from None
    found = found if isinstance(found, Mapping) else {}
    services = found.get("services")
    services = {str(name): each for name, each in services.items()} if isinstance(services, Mapping) else {}
    extended = [each.get("extends") for each in services.values() if isinstance(each, Mapping)]
    parts = [
        *_paths(found.get("include")),
        *(str(each["file"]) for each in extended if isinstance(each, Mapping) and each.get("file")),
    ]
    env_files = {
        name: tuple(_paths(each.get("env_file"))) for name, each in services.items() if isinstance(each, Mapping)
    }
    return Named(tuple(dict.fromkeys(parts)), {name: paths for name, paths in env_files.items() if paths})


def _paths(given: Any) -> Iterator[str]:
    """Yield the paths in `include` or `env_file`: a string, a mapping with `path`, or a list of these."""
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping):
        yield from _paths(given.get("path"))
    elif isinstance(given, list):
        for each in given:
            yield from _paths(each)
