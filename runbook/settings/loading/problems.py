"""The mistakes in settings, each with its key, what was found, and what is allowed."""

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from runbook.settings.loading.places import Key
from runbook.settings.schema import Settings
from runbook.settings.words import IN_WORDS

_TAGGED = ("ticket",)
_SOURCE = ' that says where the secret is, such as { env = "NAME" }'
_UNKNOWN, _MISSING = "unknown key", "is missing"
_KINDS: Mapping[type, str] = {str: "a string", list: "a list", dict: "a table", bytes: "bytes"}


@dataclass(frozen=True)
class Problem:
    """One mistake: the key, and a one-line description without any value that could be secret."""

    key: Key
    said: str

    @property
    def name(self) -> str:
        """The key in dotted form."""
        return ".".join(map(str, self.key)) or "the settings"


def problems_of(errors: Sequence[ErrorDetails], given: Mapping[str, Any]) -> list[Problem]:
    """Return the mistakes that pydantic found in `given`, one per key, in the order of the errors."""
    said: dict[Key, list[str]] = {}
    for error in errors:
        key = _key(error["loc"], given, missing=error["type"] == "missing")
        words = said.setdefault(key, [])
        if (word := _words(error, key, given)) not in words:
            words.append(word)
    meant = {(*key[:-1], _nearest(key)) for key, words in said.items() if words[0].startswith(_UNKNOWN)}
    # A misspelled key is also a missing key: only the spelling is reported.
    return [Problem(key, _joined(words)) for key, words in said.items() if not (words == [_MISSING] and key in meant)]


def _joined(words: Sequence[str]) -> str:
    """Return one message from several about the same key: all that is allowed, and what was found."""
    parts = [word.removeprefix("expected ").partition("; found ") for word in words]
    if len(words) == 1 or not all(word.startswith("expected ") for word in words):
        return " or ".join(words)
    return f"expected {' or '.join(part[0] for part in parts)}; found {parts[-1][2]}"


def _key(location: Sequence[str | int], given: Mapping[str, Any], *, missing: bool) -> Key:
    """Return the part of pydantic's location that is in the file, without the names of the models it tried."""
    if tuple(location) == _TAGGED:
        location = (*_TAGGED, "tracker")
    elif tuple(location[:1]) == _TAGGED:
        location = (*location[:1], *location[2:])
    at: Any = given
    for depth, part in enumerate(location):
        there = (isinstance(at, Mapping) and part in at) or (
            isinstance(at, list) and isinstance(part, int) and part < len(at)
        )
        if not there:
            last = missing and depth == len(location) - 1
            return tuple(location[: depth + 1] if last or depth == 0 else location[:depth])
        at = at[part]
    return tuple(location)


def _words(error: ErrorDetails, key: Key, given: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        allowed, close = sorted(keys_at(key[:-1])), _nearest(key)
        return f"{_UNKNOWN}{f'; did you mean {close}?' if close else ''} (allowed: {', '.join(allowed)})"
    if kind == "missing":
        return _MISSING
    if kind in ("value_error", "tracker"):
        return error["msg"].removeprefix("Value error, ")
    expected = error["msg"].replace("Input should be", "expected").replace("String should", "expected a string to")
    expected = expected.replace("a valid tuple", "a list")
    if kind == "too_short":
        expected = "expected at least 1 item"
    elif kind == "string_pattern_mismatch":
        pattern = str(dict(error.get("ctx") or {}).get("pattern"))
        expected = f"expected {IN_WORDS.get(pattern, f'a string that matches {pattern}')}"
    elif kind in ("model_type", "model_attributes_type", "dict_type"):
        secret = {"env", "file"} <= keys_at(key)
        expected = f"expected a table{_SOURCE if secret else ''}"
    return f"{expected}; found {_found(key, given)}"


def _nearest(key: Key) -> str:
    close = difflib.get_close_matches(str(key[-1]), sorted(keys_at(key[:-1])), n=1)
    return close[0] if close else ""


def _found(key: Key, given: Any) -> str:
    """Return the value there if it is a number or a boolean, otherwise only its kind."""
    for part in key:
        try:
            given = given[part]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    if isinstance(given, bool):
        return str(given).lower()
    return str(given) if isinstance(given, int | float) else _KINDS.get(type(given), f"a {type(given).__name__}")


def keys_at(key: Key) -> frozenset[str]:
    """Return the keys allowed at a place of the settings; empty if unknown."""
    models: list[type[BaseModel]] = [Settings]
    for part in key:
        models = [found for model in models for found in _below(model, part)]
    return frozenset(name for model in models for name in model.model_fields)


def _below(model: type[BaseModel], part: str | int) -> Iterator[type[BaseModel]]:
    if isinstance(part, int) or part not in model.model_fields:
        # A list index, or a name chosen by the team: the model is that of the list or table.
        yield model
        return
    yield from _models_in(model.model_fields[part].annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated, tuple, dict, list):
        for each in get_args(annotation):
            yield from _models_in(each)
