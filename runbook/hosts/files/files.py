"""Files of the production host, read with commands: one per read; for free space, one per path."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from runbook.errors import FileUnreadable
from runbook.hosts.command import Command, Completed
from runbook.hosts.files.look import FileContent

if TYPE_CHECKING:
    from runbook.hosts.host import Host

#: Default maximum of bytes read from a file.
MOST_BYTES = 32 << 20
_MISSING = 44
# $1 is the file. Prints its real path and a NUL byte, a line with mode, owner and group, and its bytes.
_CONTENT = f"""
set -eu
real=$(readlink -e -- "$1" && echo .) || {{
    folder=$1
    while [ ! -e "$folder" ]; do folder=$(dirname -- "$folder"); done
    [ ! -x "$folder" ] || [ -h "$1" ] || exit {_MISSING}
    cat -- "$1"
    exit 1
}}
real=${{real%??}}
printf '%s\\0' "$real"
stat --format='%a %u %g' -- "$real"
cat -- "$real"
"""
_NAMES = f'[ -e "$1" ] || exit {_MISSING}; ls -1A -- "$1/"'
# Prints yes or no for each path, from `test` with the option.
_EACH = 'for each in "$@"; do if test "$OPTION" "$each"; then echo yes; else echo no; fi; done'


class Files:
    """Files of one host. Each read has `deadline` seconds and raises HostError like a command."""

    def __init__(self, host: "Host", deadline: float) -> None:
        self._host = host
        self._deadline = deadline

    def content(self, path: str, *, secret: bool = False, most: int = MOST_BYTES) -> FileContent | None:
        """Return a file; None if it does not exist. The content of a `secret` file is not recorded.

        Links are followed. Raises FileUnreadable when the file cannot be read, and CommandSaidTooMuch when it is larger
        than `most` bytes.
        """
        answer = self._run("sh", "-c", _CONTENT, "sh", path, secret=secret, most=most)
        if answer.exit_code == _MISSING:
            return None
        real, _, rest = answer.stdout.partition(b"\0")
        facts, _, content = rest.partition(b"\n")
        if answer.exit_code != 0:
            raise unreadable(path, answer.last_line)
        mode, owner, group = facts.decode("ascii").split()
        return FileContent(real.decode("utf-8", "surrogateescape"), content, mode, owner, group)

    def names(self, folder: str) -> list[str] | None:
        """Return the names in a folder; None if it does not exist. Raises FileUnreadable when it cannot be read."""
        answer = self._run("sh", "-c", _NAMES, "sh", folder)
        if answer.exit_code == _MISSING:
            return None
        if answer.exit_code != 0:
            raise unreadable(folder, answer.last_line)
        return sorted(answer.text.splitlines())

    def there(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that exist."""
        return self._that("-e", paths)

    def links(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that are symbolic links."""
        return self._that("-h", paths)

    def writable(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that exist and that this user may write."""
        return self._that("-w", paths)

    def free_bytes(self, paths: Sequence[str]) -> dict[str, int]:
        """Return the free bytes of each path's file system, without the paths that cannot be checked."""
        found = {}
        for path in paths:
            answer = self._run("df", "--output=avail", "-B1", "--", path)
            lines = answer.text.split()
            if answer.exit_code == 0 and lines and lines[-1].isdigit():
                found[path] = int(lines[-1])
        return found

    def user(self) -> str:
        """Return the user ID under which commands run on the host."""
        answer = self._run("id", "-u")
        if answer.exit_code != 0:
            raise unreadable("the user ID", answer.last_line)
        return answer.text.strip()

    def _that(self, option: str, paths: Sequence[str]) -> set[str]:
        if not paths:
            return set()
        answer = self._run("env", f"OPTION={option}", "sh", "-c", _EACH, "sh", *paths)
        said = answer.text.split()
        if answer.exit_code != 0 or len(said) != len(paths):
            raise unreadable(", ".join(paths), answer.last_line)
        return {path for path, word in zip(paths, said, strict=True) if word == "yes"}

    def _run(self, *argv: str, secret: bool = False, most: int = MOST_BYTES) -> Completed:
        command = Command(argv, self._deadline, most_output=most + 8192)
        return self._host.run(replace(command, secret_output=secret))


def unreadable(path: str, why: str) -> FileUnreadable:
    """Return the error for a file that cannot be read."""
    return FileUnreadable(f"{path} cannot be read: {why}", "run this as the user that deploys")
