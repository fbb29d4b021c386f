"""testinfra facts about the production host. Their commands run through `Host`: with deadlines, recorded, redacted.

https://testinfra.readthedocs.io/en/latest/modules.html
"""

from typing import Any

import testinfra.host
from testinfra.backend.base import BaseBackend, CommandResult

from runbook.hosts.command import Command
from runbook.hosts.host import Host


def seen_by_testinfra(host: Host, deadline: float) -> testinfra.host.Host:
    """Return testinfra's view of `host`: `.file(path)`, `.user(name)`, `.socket(address)` and the like.

    Each fact is one command with a deadline of `deadline` seconds. Raises HostError like every command.
    """
    return testinfra.host.Host(_Backend(host, deadline))


class _Backend(BaseBackend):  # type: ignore[misc]  # its types are not marked as such
    NAME = "runbook"

    def __init__(self, host: Host, deadline: float) -> None:
        super().__init__(host.address or "localhost")
        self._through = host
        self._deadline = deadline

    def decode(self, data: bytes) -> str:
        # The base class would run a Python on the host to find its encoding.
        return data.decode("utf-8", errors="replace")

    def encode(self, data: str) -> bytes:
        return data.encode("utf-8", errors="replace")

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        # `result` of the base class would log the output unredacted.
        written = self.get_command(command, *args)
        done = self._through.run(Command(("sh", "-c", written), self._deadline))
        return CommandResult(self, done.exit_code, written, done.stdout, done.stderr)
