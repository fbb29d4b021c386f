"""Overrides of settings by the environment, for CI: RUNBOOK__SECTION__KEY=VALUE, read by pydantic-settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook.errors import SettingsError
from runbook.settings.loading.places import Key
from runbook.settings.schema import Settings

PREFIX = "RUNBOOK__"


@dataclass(frozen=True)
class Overrides:
    """The values from variables, in the form of the file, and the variable of each key."""

    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[Key, str] = field(default_factory=dict)

    def over(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a file with these values replaced."""
        return _merged(given, self.values)

    def of(self, key: Key) -> str | None:
        """Return the variable that sets `key`, a table around it, or a part of it."""
        return next((name for at, name in self.names.items() if key[: len(at)] == at or at[: len(key)] == key), None)


def overrides() -> Overrides:
    """Read the variables of this process. Raises SettingsError for a list or a table that is not JSON."""
    names = {tuple(name[len(PREFIX) :].lower().split("__")): name for name in os.environ if name.startswith(PREFIX)}
    if not names:
        return Overrides()
    # Imported only if needed, because it is slow.
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict  # noqa: PLC0415
    from pydantic_settings.exceptions import SettingsError as Unread  # noqa: PLC0415

    class FromEnvironment(BaseSettings, Settings):
        model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")

    try:
        values = EnvSettingsSource(FromEnvironment)()
    except Unread:
        told = ", ".join(sorted(names.values()))
        raise SettingsError(
            f"a list or a table in one of {told} is not JSON", """write it as JSON: '["api", "jobs"]'"""
        ) from None
    unknown: dict[str, Any] = {key[0]: {} for key in names if key[0] not in Settings.model_fields}
    return Overrides({**values, **unknown}, dict(names.items()))


def _merged(given: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(given)
    for key, value in over.items():
        before = merged.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            merged[key] = _merged(before, value)
        else:
            merged[key] = value
    return merged
