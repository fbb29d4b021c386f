"""The interface of secret stores, and helpers that several of them share."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from pydantic import SecretStr

from runbook.errors import SettingsError, StoreError

#: The most bytes read of a value. A longer one is neither a switch's value nor a secret of the runbook.
MOST_BYTES = 1 << 20
#: The errors for an answer in an unexpected form, from libraries or from reading its parts.
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
#: Learns the secrets among the values beside the requested one.
Learn = Callable[[Mapping[str, str]], None]


@dataclass(frozen=True)
class Found:
    """A value as read, and the version that identifies its state in the store."""

    value: SecretStr
    version: str


class Store(Protocol):
    """One value in a secret store, requested by each call.

    Each call has a deadline. It raises Inconclusive when the store gives no answer, and StoreError when the store
    refuses or lacks the value. `name` is the value's place in words; `longest` is the time limit of `set` in seconds.
    """

    name: str
    longest: float

    def read(self) -> Found:
        """Return the value."""

    def set(self, value: str, seen: Found) -> None:
        """Change `seen` to `value`, which is not secret. Raises StoreError when somebody else changed it meanwhile."""

    def settable(self) -> str:
        """Say whether it may be set, as far as known, without a change. Raises StoreError when it may not."""

    def by_hand(self, value: str) -> str:
        """Return the command with which a person sets it."""


def package(name: str) -> Any:
    """Import a package that only some stores need. Raises SettingsError with the command that installs it."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise SettingsError(
            f"the settings name a secret store that needs the Python package {name}, which is not installed",
            f".venv/bin/pip install {name.partition('.')[0]}",
        ) from None


def changed(name: str, look: str) -> StoreError:
    """Return the error for a value that somebody else changed after it was read."""
    return StoreError(f"{name}: somebody else changed it after it was read, so the runbook did not change it", look)


def members_of(text: str, name: str) -> dict[str, Any]:
    """Return the members of a secret that is a JSON object. Raises StoreError when it is not."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise StoreError(
            f"{name}: expected a JSON object, since the settings name a key of it; saw something else",
            "leave out key in the settings if the whole secret is the value",
        )
    return found


def with_member(text: str, key: str, value: str, name: str) -> str:
    r"""Return a secret that is a JSON object with a new text under `key`. All other bytes stay the same.

    Raises StoreError when it is not a JSON object.

    >>> with_member('{"a": "on", "rate": 1.10}', "a", "off", "x")
    '{"a": "off", "rate": 1.10}'
    """
    members_of(text, name)  # raises when it is not an object
    decode = json.JSONDecoder(strict=True).raw_decode
    at, spans = _skip(text, text.index("{") + 1), []
    while text[at] != "}":
        found, at = decode(text, at)
        begin = _skip(text, _skip(text, at) + 1)  # after the colon
        _, at = decode(text, begin)
        if found == key:
            spans.append((begin, at))
        at = _skip(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
    written = json.dumps(value, ensure_ascii=False)
    for begin, end in reversed(spans):
        text = text[:begin] + written + text[end:]
    return text


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def member(found: Mapping[str, Any], key: str, name: str, learn: Learn) -> SecretStr:
    """Return the text under `key`, and pass the others to `learn`. Raises StoreError when there is no such text."""
    learn({other: value for other, value in found.items() if other != key and isinstance(value, str)})
    value = found.get(key)
    if not isinstance(value, str):
        seen = "something that is not text" if key in found else f"the keys {', '.join(sorted(found)) or '(none)'}"
        raise StoreError(f"{name}: expected a text under the key {key}, saw {seen}", "correct key in the settings")
    return SecretStr(value)
