"""The note of a bridge that stands: what of the schema is relaxed, for which release, why, and how it is undone."""

import json
from collections.abc import Mapping
from typing import Any

from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.shared_state.host_file import NoteFile


class BridgeNote:
    """`.runbook/bridge.json` on the production host; it is there until the bridge is taken away."""

    def __init__(self, production: Production) -> None:
        self._file = NoteFile(production, "bridge.json")
        self.path = self._file.path

    def read(self) -> dict[str, Any] | None:
        """Return the note, None when no bridge stands. Raises Inconclusive when it cannot be read."""
        try:
            return self._file.note(lambda found: {"incident", "since", "target", "because", "bridge"} <= set(found))
        except ValueError:
            raise Inconclusive(
                f"{self.path} cannot be read: it is no note of a bridge",
                "look at it, and at what the schema lacks; remove it if no bridge stands",
            ) from None

    def write_commands(self, note: Mapping[str, Any]) -> tuple[Command, ...]:
        """Return the commands that write it."""
        return self._file.write_commands((json.dumps(note, sort_keys=True) + "\n").encode())

    def remove_command(self) -> Command:
        """Return the command that removes it."""
        return self._file.remove_command()
