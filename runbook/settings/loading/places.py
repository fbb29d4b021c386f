"""The line of each key in a TOML file. TOML parsers do not report it, so the file is read statement by statement.

A statement is a table's header, or a key with its value, on one or more lines. It is complete when the parser accepts
it.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

Key = tuple[str | int, ...]


def lines_of(text: str) -> dict[Key, int]:
    r"""Return the line (counted from 1) of each key, table and element of a list of tables; empty if it is not TOML.

    >>> lines_of('[a]\nb = { c = 1 }\n[[d]]\ne = 2')[("a", "b", "c")]
    2
    """
    found: dict[Key, int] = {}
    for number, _, keys in placed(text):
        for key in keys:
            found.setdefault(key, number)
    return found


def placed(text: str) -> Iterator[tuple[int, int | None, list[Key]]]:
    """Yield each statement: its first line, its last line, and the keys that it defines.

    An incomplete statement is the last one, and has no last line.
    """
    table: Key = ()
    counts: dict[Key, int] = {}
    for number, end, statement in _statements(text):
        if end is None:
            yield number, None, []
            return
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("[["):
            name = _path(parsed)
            counts[name] = counts.get(name, -1) + 1
            table = (*name, counts[name])
        elif statement.lstrip().startswith("["):
            table = _inside_lists(_path(parsed), counts)
        else:
            yield number, end, [(*table, *key) for key in _keys(parsed)]
            continue
        yield number, end, [table[:length] for length in range(1, len(table) + 1)]


def _statements(text: str) -> Iterator[tuple[int, int | None, str]]:
    """Yield each statement with its first and last line; an incomplete one has no last line."""
    begun, lines = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not lines and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begun = begun if lines else number
        lines.append(line)
        statement = "\n".join(lines)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield begun, number, statement
        lines = []
    if lines:
        yield begun, None, ""


def _path(parsed: Any) -> Key:
    """Return the keys of a table's header."""
    path: list[str] = []
    while parsed:
        parsed = parsed[0] if isinstance(parsed, list) else parsed
        if not parsed:
            break
        (name, parsed), *_ = parsed.items()
        path.append(name)
    return tuple(path)


def _inside_lists(path: Key, counts: dict[Key, int]) -> Key:
    """Return the path through the newest element of each list of tables in it."""
    inside: Key = ()
    for part in path:
        inside = (*inside, part)
        if inside in counts:
            inside = (*inside, counts[inside])
    return inside


def _keys(parsed: Any) -> Iterator[Key]:
    """Yield the path of every key and every list index in a value, at any depth."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(parsed, dict):
        items = iter(parsed.items())
    elif isinstance(parsed, list):
        items = iter(enumerate(parsed))
    for key, value in items:
        yield (key,)
        yield from ((key, *rest) for rest in _keys(value))
