"""Small files under `.runbook/` in the project's directory on the host, shared by every laptop and CI."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from runbook.errors import FileUnreadable, Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER

# $1 is the file; its folders follow; its bytes come on standard input. An existing `.new` is from a killed run, or is
# a link that somebody put there.
_WRITE = """
set -eu
file=$1; shift
mkdir --parents --mode=700 -- "$@"
rm --force -- "$file.new"
dd of="$file.new" conv=excl,fsync status=none
mv --force -- "$file.new" "$file"
"""
_WRITE_PRIVATE = """
set -eu
file=$1; shift
mkdir --parents --mode=700 -- "$@"
install --mode=600 --no-target-directory -- /dev/null "$file.new"
dd of="$file.new" conv=fsync oflag=nofollow status=none
mv --force --no-target-directory -- "$file.new" "$file"
"""


class HostFile:
    """A file in `.runbook/` on the production host, always replaced as a whole."""

    def __init__(self, production: Production, name: str, *, private_up_to: int | None = None) -> None:
        """`private_up_to` makes it a file of mode 600 that is never recorded, and is the most bytes read of it."""
        self._production = production
        own = f"{production.directory}/{FOLDER}"
        self.path = f"{own}/{name}"
        self._folders = dict.fromkeys((own, str(PurePosixPath(self.path).parent)))
        self._private_up_to = private_up_to

    def read_text(self) -> str | None:
        """Return the file's text, or None without a file. Raises Inconclusive when it cannot be read."""
        most, files = self._private_up_to, self._production.files
        if most is None:
            look = partial(files.content, self.path)
        else:
            look = partial(files.content, self.path, secret=True, most=most)
        try:
            found = self._production.remembered.seen(("file", self.path), look)
        except FileUnreadable as error:
            raise Inconclusive(error.seen, error.next_step) from None
        return None if found is None else found.content.decode("utf-8", errors="replace")

    def write_commands(self, content: bytes) -> tuple[Command, ...]:
        """Return the command that replaces the file atomically."""
        script = _WRITE if self._private_up_to is None else _WRITE_PRIVATE
        return (self._production.command("sh", "-c", script, "sh", self.path, *self._folders, stdin=content),)

    def remove_command(self) -> Command:
        """Return the command that removes the file."""
        return self._production.command("rm", "--force", "--", self.path)


class NoteFile(HostFile):
    """A file with one JSON object."""

    def note(self, is_one: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Return the object, or None without a file. Raises ValueError for any other content."""
        text = self.read_text()
        if text is None:
            return None
        try:
            found: dict[str, Any] = json.loads(text)
            if is_one(found):
                return found
        except (ValueError, TypeError, RecursionError):
            pass
        raise ValueError(self.path)


class JsonLinesFile(HostFile):
    """A file of JSON objects, one per line, the oldest first."""

    def read(self) -> list[dict[str, Any]]:
        """Return all lines; empty without a file. Raises Inconclusive when a line is not a JSON object."""
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
        self._production.remembered.forget()  # read again, so that a line just added by another run is kept
        lines = [*self.read(), *added]
        return self.write_commands("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode())
