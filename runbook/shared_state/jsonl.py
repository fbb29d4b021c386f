"""State that every laptop and CI must share: small files under `.runbook/` in the project's directory on the host."""

import json
from typing import Any

from runbook.errors import Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER


class JsonLinesFile:
    """A file of JSON objects, one a line, in `.runbook/` on the production host; the oldest line first."""

    def __init__(self, production: Production, name: str) -> None:
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}"
        self.path = f"{self._folder}/{name}"

    def read(self) -> list[dict[str, Any]]:
        """Every line, a JSON object each; none when there is no such file. Raises Inconclusive when unreadable."""
        answer = self._production.host.run(self._production.command("cat", "--", self.path))
        if answer.exit_code != 0 and "No such file or directory" in answer.last_line:
            return []
        if answer.exit_code != 0:
            raise Inconclusive(f"{self.path} cannot be read: {answer.last_line}", "run this as the user who deploys")
        lines = []
        for number, line in enumerate(answer.text.splitlines(), start=1):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                raise Inconclusive(f"{self.path}: line {number} is not a JSON object", "mend or remove that line")
            lines.append(found)
        return lines

    def append_commands(self, *added: dict[str, Any]) -> tuple[Command, ...]:
        """The commands that add lines; the file is at no moment half written."""
        lines = [*self.read(), *added]
        content = "".join(json.dumps(item, sort_keys=True) + "\n" for item in lines).encode("utf-8")
        new = f"{self.path}.new"
        return (
            self._production.command("mkdir", "--parents", "--mode=700", "--", self._folder),
            # Left by a run that was killed, or a link that somebody left there.
            self._production.command("rm", "--force", "--", new),
            self._production.command("dd", f"of={new}", "conv=excl,fsync", "status=none", stdin=content),
            self._production.command("mv", "--force", "--", new, self.path),
        )
