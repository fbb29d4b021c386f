"""A file on the production host, as mounted by Compose for `secrets:` and `configs:`, replaced atomically."""

import hashlib
import shlex
from dataclasses import replace

from pydantic import SecretStr

from runbook.errors import StoreError
from runbook.hosts.command import Command
from runbook.hosts.host import Host
from runbook.secrets.stores.store import MOST_BYTES, Found, changed

_CHANGED, _OF_OTHERS = 75, 76
# $1 is the file, $2 the SHA-256 of the content read; the new content comes on standard input.
_REPLACE = f"""
set -eu
new="$1.runbook-new"
install --mode=600 --no-target-directory /dev/null "$new"
trap 'rm -f -- "$new"' EXIT
cp --preserve=all --attributes-only --no-target-directory -- "$1" "$new"
[ "$(stat --format=%u:%g:%a -- "$new")" = "$(stat --format=%u:%g:%a -- "$1")" ] || exit {_OF_OTHERS}
dd of="$new" conv=fsync oflag=nofollow status=none
printf '%s  %s\\n' "$2" "$1" | sha256sum --check --status || exit {_CHANGED}
mv --force --no-target-directory -- "$new" "$1"
sync -- "$1"
"""
# $1 is the file. Its folder must be writable, and its owner is kept: root can do that, others only for their own files.
_SETTABLE = '[ -w "$(dirname -- "$1")" ] && { [ "$(id -u)" = 0 ] || [ -O "$1" ]; }'


class HostFile:
    """A file with the value and nothing else. Trailing line breaks are kept."""

    def __init__(self, path: str, command: Command, host: Host) -> None:
        """`command` provides the folder and the deadline."""
        self.name = f"the file {path}"
        self.longest = 3 * command.deadline
        self.path = path
        self._command = replace(command, secret_output=True)
        self._host = host

    def read(self) -> Found:
        """Return the content without trailing line breaks. Its version is a SHA-256."""
        content = self._content()
        return Found(
            SecretStr(content.decode(errors="surrogateescape").rstrip("\r\n")), hashlib.sha256(content).hexdigest()
        )

    def _content(self) -> bytes:
        done = self._host.run(replace(self._command, argv=("cat", "--", self.path), most_output=MOST_BYTES))
        if done.exit_code != 0:
            raise StoreError(f"{self.name} cannot be read: {done.last_line}", shlex.join(("ls", "-l", self.path)))
        return done.stdout

    def set(self, value: str, seen: Found) -> None:
        """Replace the file atomically. Mode, owner and extended attributes are kept, and a link is followed."""
        before = self._content()
        content = value.encode() + before[len(before.rstrip(b"\r\n")) :]
        real = self._host.check(replace(self._command, argv=("readlink", "-e", "--", self.path))).text.rstrip("\n")
        self._host.check(
            replace(
                self._command,
                argv=("sh", "-c", _REPLACE, "sh", real, seen.version),
                stdin=content,
                means=((_CHANGED, changed(self.name, f"ls -l {self.path}")), (_OF_OTHERS, self._of_others())),
            )
        )

    def _of_others(self) -> StoreError:
        return StoreError(
            f"{self.name}: expected a file that this user may replace without changing its owner and mode",
            shlex.join(("ls", "-ld", self.path, self.path.rpartition("/")[0] or ".")),
        )

    def settable(self) -> str:
        """Check that the file can be replaced, and say so. Raises StoreError when it cannot."""
        real = replace(self._command, argv=("readlink", "-e", "--", self.path))
        path = self._host.run(real).text.rstrip("\n") or self.path
        if self._host.run(replace(self._command, argv=("sh", "-c", _SETTABLE, "sh", path))).exit_code != 0:
            raise self._of_others()
        return "this user may replace it"

    def by_hand(self, value: str) -> str:
        """Return the shell command that sets the value."""
        return f"printf %s {shlex.quote(value)} > {shlex.quote(self.path)}"
