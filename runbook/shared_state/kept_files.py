"""Copies of Compose files and env files, named by their SHA-256, on the production host."""

import hashlib
import re
from collections.abc import Collection

from runbook.errors import FileUnreadable, Inconclusive
from runbook.hosts.command import Command
from runbook.production.compose import Production
from runbook.production.docker_engine import FOLDER
from runbook.production.invocation import absolute_path
from runbook.shared_state.host_file import HostFile

_FOLDER = "release_files"
_MOST_BYTES = 4_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class KeptFiles:
    """`.runbook/release_files/<sha256>` on the production host, each of mode 600 because they contain secrets."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._folder = f"{production.directory}/{FOLDER}/{_FOLDER}"

    def path(self, sha256: str) -> str:
        """Return the path of the copy with that SHA-256."""
        return f"{self._folder}/{sha256}"

    def keep_commands(self, contents: Collection[bytes]) -> tuple[Command, ...]:
        """Return the commands that keep a copy of each of `contents`."""
        files = {hashlib.sha256(content).hexdigest(): content for content in contents}
        return tuple(
            command
            for sha256, content in sorted(files.items())
            for command in self._file(sha256).write_commands(content)
        )

    def read(self, sha256: str) -> bytes:
        """Return the copy with that SHA-256. Raises Inconclusive when it is missing, or its content differs."""
        try:
            content = read_bytes(self._production, self.path(sha256))
        except Inconclusive as error:
            raise Inconclusive(error.seen, "roll back only the images") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Inconclusive(f"{self.path(sha256)} is not the file that was kept", "roll back only the images")
        return content

    def remove_others(self, wanted: Collection[str]) -> tuple[Command, ...]:
        """Return the commands that remove all copies except those in `wanted`."""
        return remove_others(self._production, self._folder, _SHA256, wanted)

    def _file(self, sha256: str) -> HostFile:
        return HostFile(self._production, f"{_FOLDER}/{sha256}", private_up_to=_MOST_BYTES)


def read_bytes(production: Production, path: str) -> bytes:
    """Return a file of the production host that may contain secrets. Raises Inconclusive when it cannot be read."""
    try:
        found = production.files.content(absolute_path(production.project, path), secret=True, most=_MOST_BYTES)
    except FileUnreadable as error:
        raise Inconclusive(error.seen, error.next_step) from None
    if found is None:
        raise Inconclusive(f"{path} cannot be read: it does not exist", "run this as the user who deploys")
    return found.content


def remove_others(
    production: Production, folder: str, ours: re.Pattern[str], wanted: Collection[str]
) -> tuple[Command, ...]:
    """Return the commands that remove the files of `folder` whose names match `ours` and are not in `wanted`."""
    try:
        names = production.files.names(folder) or []
    except FileUnreadable:
        names = []
    paths = [f"{folder}/{name}" for name in names if ours.fullmatch(name) and name not in wanted]
    return (production.command("rm", "--force", "--", *paths),) if paths else ()
