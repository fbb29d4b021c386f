"""The dry run: the changes that `docker compose up` would make, parsed from `up --dry-run`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from runbook.errors import Inconclusive
from runbook.hosts.command import Completed

# ` DRY-RUN MODE -  Container shop-api-1  Recreate`. The number of blanks differs by version.
_LINE = re.compile(r"\s*(?:DRY-RUN MODE -)?\s*(Container|Network|Volume|Config|Secret|Image)\s+(\S+)\s+(\S.*?)\s*")
_LOG_LINE = re.compile(r"\s*(?:time=|WARN|level=)")
_WARNING = re.compile(r'^(?:time="[^"]*" )?level=warning msg=("(?:[^"\\]|\\.)*")', re.MULTILINE)
#: Part of every Compose warning about an unset variable.
NOT_SET = "variable is not set"


class Effect(StrEnum):
    """The effect of an `up` on one container."""

    KEPT = "kept"
    CREATED = "created"
    RECREATED = "recreated"
    STOPPED = "stopped"
    REMOVED = "removed"


#: The words of Compose 2.17 to 5. If a container has several effects, the last one in this list counts.
_EFFECTS = {
    Effect.KEPT: {"Running", "Healthy", "Waiting", "Exited", "Starting", "Started"},
    Effect.STOPPED: {"Stopping", "Stopped", "Killing", "Killed", "Restarting", "Restarted"},
    Effect.CREATED: {"Creating", "Created", "Create"},
    Effect.REMOVED: {"Removing", "Removed"},
    Effect.RECREATED: {"Recreate", "Recreated"},
}
_STRENGTH = list(_EFFECTS)
_HARMLESS_OF_OTHERS = {"Creating", "Created", "Running", "Exists", "Pulling", "Pulled", "Building", "Built"}


@dataclass(frozen=True)
class DryRun:
    """The changes that an `up` would make: the effects by container name, and the other objects it would remove.

    Compose does not list a stopped container that stays. `unknown` says why nothing is known about the other services.
    """

    effects: Mapping[str, Effect]
    removes: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def differences(self) -> dict[str, Effect]:
        """The containers that would change."""
        return {name: effect for name, effect in self.effects.items() if effect is not Effect.KEPT}

    @classmethod
    def parse(cls, completed: Completed) -> "DryRun":
        """Parse the output of `up … --dry-run`, lines or JSON.

        Raises Inconclusive when the command failed or its output is not understood.
        """
        if completed.exit_code != 0:
            raise Inconclusive(f"Compose's dry run failed: {completed.last_line}", _try(completed))
        effects: dict[str, Effect] = {}
        removes = []
        for line in completed.errors.splitlines():
            kind, name, words = _event(line) or ("", "", ())
            if kind == "Container":
                effect = next((e for e, known in _EFFECTS.items() if known.intersection(words)), None)
                if effect is None:
                    raise Inconclusive(f"Compose's dry run has an unknown line about {name}: {line}", _try(completed))
                known = effects.get(name, Effect.KEPT)
                effects[name] = max(known, effect, key=_STRENGTH.index)
            elif kind and not _HARMLESS_OF_OTHERS.intersection(words):
                removes.append(f"{kind.lower()} {name}")
            elif not kind and line.strip() and not _LOG_LINE.match(line):
                raise Inconclusive(f"Compose's dry run has an unknown line: {line}", _try(completed))
        return cls(effects, tuple(dict.fromkeys(removes)))


def _event(line: str) -> tuple[str, str, tuple[str, ...]] | None:
    # The kind, name and words of one line.
    if line.lstrip().startswith("{"):
        try:
            found = json.loads(line)
            kind, _, name = str(found["id"]).partition(" ")
            return kind, name, (str(found.get("status", "")), str(found.get("text", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
    match = _LINE.fullmatch(line)
    return (match[1], match[2], (match[3],)) if match else None


def _try(completed: Completed) -> str:
    return f"run it by hand and read its output: `{completed.command}`"


def warnings_in(completed: Completed) -> list[str]:
    """Return the warnings that Compose printed, without duplicates."""
    return list(dict.fromkeys(_unquoted(match[1]) for match in _WARNING.finditer(completed.errors)))


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:  # Go quotes some bytes differently from JSON
        return text[1:-1]
