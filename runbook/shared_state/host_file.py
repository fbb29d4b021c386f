"""Small files under `.runbook/` in the project's directory on the host, which every laptop and CI share."""

import json
from typing import Any

from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER


class HostFile:
    """A file in `.runbook/` on the production host, replaced as a whole."""

    def __init__(self, production: Production, name: str) -> None:
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}"
        self.path = f"{self._folder}/{name}"

    def read_text(self) -> str | None:
        """Return its text, None when there is no such file. Raises Inconclusive when it cannot be read."""
        answer = self._production.host.run(self._production.command("cat", "--", self.path))
        if answer.exit_code != 0 and "No such file or directory" in answer.last_line:
            return None
        if answer.exit_code != 0:
            raise Inconclusive(f"{self.path} cannot be read: {answer.last_line}", "run this as the user who deploys")
        return answer.text

    def write_commands(self, content: bytes) -> tuple[Command, ...]:
        """Return the commands that replace the file; at no moment is it half written."""
        new = f"{self.path}.new"
        return (
            self._production.command("mkdir", "--parents", "--mode=700", "--", self._folder),
            # Left by a run that was killed, or a link that somebody put there.
            self._production.command("rm", "--force", "--", new),
            self._production.command("dd", f"of={new}", "conv=excl,fsync", "status=none", stdin=content),
            self._production.command("mv", "--force", "--", new, self.path),
        )

    def remove_command(self) -> Command:
        """Return the command that removes the file."""
        return self._production.command("rm", "--force", "--", self.path)


class JsonLinesFile(HostFile):
    """A file of JSON objects, one a line, the oldest first."""

    def read(self) -> list[dict[str, Any]]:
        """Return every line; none when there is no file. Raises Inconclusive when a line is not a JSON object."""
        lines = []
        for number, line in enumerate((self.read_text() or "").splitlines(), start=1):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                raise Inconclusive(f"{self.path}: line {number} is not a JSON object", "correct or remove that line")
            lines.append(found)
        return lines

    def append_commands(self, *added: dict[str, Any]) -> tuple[Command, ...]:
        """Return the commands that add lines."""
        lines = [*self.read(), *added]
        return self.write_commands("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode())
