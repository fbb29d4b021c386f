"""The dry run: what `docker compose up` would change, parsed from `up --dry-run`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from runbook.errors import Inconclusive
from runbook.hosts.command import Completed

# ` DRY-RUN MODE -  Container shop-api-1  Recreate`; the number of blanks differs by version.
_LINE = re.compile(r"\s*(?:DRY-RUN MODE -)?\s*(Container|Network|Volume|Config|Secret|Image)\s+(\S+)\s+(\S.*?)\s*")
_LOG_LINE = re.compile(r"\s*(?:time=|WARN|level=)")
_WARNING = re.compile(r'^(?:time="[^"]*" )?level=warning msg=("(?:[^"\\]|\\.)*")', re.MULTILINE)
#: In each of Compose's warnings of a variable that is not set.
NOT_SET = "variable is not set"


class Effect(StrEnum):
    """What happens to one container."""

    KEPT = "kept"
    CREATED = "created"
    RECREATED = "recreated"
    STOPPED = "stopped"
    REMOVED = "removed"


#: The words of Compose 2.17 to 5; of several for one container the last effect in this list counts.
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
    """What an `up` would do: an effect by container name, and what else it would remove.

    Compose does not name a stopped container that stays. `unknown` says why nothing is known of the other services.
    """

    effects: Mapping[str, Effect]
    removes: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def differences(self) -> dict[str, Effect]:
        """The containers that would not stay as they are."""
        return {name: effect for name, effect in self.effects.items() if effect is not Effect.KEPT}

    @classmethod
    def parse(cls, completed: Completed) -> "DryRun":
        """Parse the output of `up … --dry-run`, as lines or JSON. Raises Inconclusive when that fails."""
        if completed.exit_code != 0:
            raise Inconclusive(f"Compose cannot say what it would change: {completed.last_line}", _try(completed))
        effects: dict[str, Effect] = {}
        removes = []
        for line in completed.errors.splitlines():
            kind, name, words = _event(line) or ("", "", ())
            if kind == "Container":
                effect = next((e for e, known in _EFFECTS.items() if known.intersection(words)), None)
                if effect is None:
                    raise Inconclusive(
                        f"Compose's dry run says of {name} what is not understood: {line}", _try(completed)
                    )
                known = effects.get(name, Effect.KEPT)
                effects[name] = max(known, effect, key=_STRENGTH.index)
            elif kind and not _HARMLESS_OF_OTHERS.intersection(words):
                removes.append(f"{kind.lower()} {name}")
            elif not kind and line.strip() and not _LOG_LINE.match(line):
                raise Inconclusive(f"Compose's dry run says what is not understood: {line}", _try(completed))
        return cls(effects, tuple(dict.fromkeys(removes)))


def _event(line: str) -> tuple[str, str, tuple[str, ...]] | None:
    # Kind, name and words of one line.
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
    """Return the warnings that Compose printed, each once."""
    return list(dict.fromkeys(_unquoted(match[1]) for match in _WARNING.finditer(completed.errors)))


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:  # Go quotes a few bytes in its own way
        return text[1:-1]
