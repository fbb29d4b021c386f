"""The note of a bridge: the relaxed parts of the schema, the release, the reason, and how to undo it."""

import json
from collections.abc import Mapping
from typing import Any

from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.shared_state.host_file import NoteFile


class BridgeNote:
    """`.runbook/bridge.json` on the production host. It exists until the bridge is removed."""

    def __init__(self, production: Production) -> None:
        self._file = NoteFile(production, "bridge.json")
        self.path = self._file.path

    def read(self) -> dict[str, Any] | None:
        """Return the note, or None without a bridge. Raises Inconclusive when it cannot be read."""
        try:
            return self._file.note(lambda found: {"incident", "since", "target", "because", "bridge"} <= set(found))
        except ValueError:
            raise Inconclusive(
                f"{self.path} cannot be read: it is not the note of a bridge",
                "check it, and the constraints of the schema; remove it if there is no bridge",
            ) from None

    def write_commands(self, note: Mapping[str, Any]) -> tuple[Command, ...]:
        """Return the commands that write the note."""
        return self._file.write_commands((json.dumps(note, sort_keys=True) + "\n").encode())

    def remove_command(self) -> Command:
        """Return the command that removes the note."""
        return self._file.remove_command()
