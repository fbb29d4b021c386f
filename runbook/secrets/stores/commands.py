"""Any other store, through two commands on the host: one prints the value, the other takes it on standard input."""

import hashlib
import shlex
from dataclasses import replace

from pydantic import SecretStr

from runbook.errors import StoreError
from runbook.hosts.command import Command
from runbook.hosts.host import Host
from runbook.secrets.stores.store import MOST_BYTES, Found, changed


class Commands:
    """One value behind two commands. Their input and output are never recorded."""

    def __init__(self, read: Command, change: Command | None, host: Host) -> None:
        self.name = f"the output of `{read}`"
        self.longest = read.deadline + (change or read).deadline
        self._read = replace(read, secret_output=True, most_output=MOST_BYTES)
        self._change = change and replace(change, secret_output=True)
        self._host = host

    def read(self) -> Found:
        """Return the command's output without trailing line breaks. Its version is a SHA-256."""
        done = self._host.run(self._read)
        if done.exit_code != 0 or not done.stdout.strip():
            raise StoreError(
                f"{self.name}: expected a value and exit code 0, saw exit code {done.exit_code} and"
                f" {len(done.stdout)} bytes",
                f"run it on the production host: {self._read}",
            )
        return Found(SecretStr(done.text.rstrip("\r\n")), hashlib.sha256(done.stdout).hexdigest())

    def set(self, value: str, seen: Found) -> None:
        """Run the other command with the value on standard input, if the value is unchanged. Not atomic.

        Raises StoreError when somebody else changed the value, or the command fails.
        """
        if self.read().version != seen.version:
            raise changed(self.name, str(self._read))
        done = self._host.run(replace(self._setting, stdin=value.encode()))
        if done.exit_code != 0:
            raise StoreError(
                f"`{self._setting}`: expected exit code 0, saw {done.exit_code}", f"type it: {self.by_hand(value)}"
            )

    @property
    def _setting(self) -> Command:
        if self._change is None:
            raise StoreError(f"{self.name}: the settings name no command that sets it", "add set beside read")
        return self._change

    def settable(self) -> str:
        """Check that the command exists, and say so. Raises StoreError when it does not."""
        program = self._setting.argv[0]
        found = self._host.run(replace(self._read, argv=("sh", "-c", 'command -v -- "$1"', "sh", program)))
        if found.exit_code != 0:
            raise StoreError(
                f"{self.name}: the program {program}, which sets it, does not exist", f"command -v {program}"
            )
        return f"{program} exists; only running it shows whether it may set the value"

    def by_hand(self, value: str) -> str:
        """Return the shell command that sets the value."""
        return f"printf %s {shlex.quote(value)} | {self._setting}"
