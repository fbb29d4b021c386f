"""Atomic replacement of a file on the production host, with a copy of the old content."""

from collections.abc import Callable
from pathlib import PurePosixPath

from runbook.errors import RunbookError
from runbook.hosts.command import Command

_NOT_AS_READ, _LOCKED, _LINKED = 75, 76, 77
# $1: SHA-256 of the bytes that were read. $2: the file. $3: its copy. $4: the copy's folder.
_REPLACE = f"""
set -eu
mkdir --parents --mode=700 -- "$4"
[ ! -L "$4" ] || exit {_LINKED}
cp --preserve=all --remove-destination --no-target-directory -- "$2" "$3.new"
mv --force --no-target-directory -- "$3.new" "$3"
install --mode=600 --no-target-directory /dev/null "$2.new"
cp --preserve=all --attributes-only --no-target-directory -- "$2" "$2.new"
dd of="$2.new" conv=fsync oflag=nofollow status=none
exec 9<"$4"
flock --exclusive --wait 10 --conflict-exit-code {_LOCKED} 9
printf '%s  %s\\n' "$1" "$2" "$1" "$3" | sha256sum --check --status || {{ rm -f -- "$2.new"; exit {_NOT_AS_READ}; }}
mv --force --no-target-directory -- "$2.new" "$2"
sync -- "$2"
"""


def replace_commands(  # noqa: PLR0913 - each is needed
    command: Callable[..., Command],
    path: str,
    sha256: str,
    content: bytes,
    keep: str,
    *,
    error: type[RunbookError],
) -> tuple[Command, ...]:
    """Return the command that replaces the file `path` with `content` and keeps the old file as `keep`.

    `command` builds a command from an argv, `stdin` and `means`. Mode, owner and extended attributes are kept. Links
    are not followed: `path` must be the file itself. The file is complete at every moment. Under a lock, the old file
    must still have the hash `sha256` that it had when it was read. `Host.check` raises `error` if it was changed, if
    the lock is held for 10 s, or if the folder of `keep` is a symbolic link.
    """
    folder = str(PurePosixPath(keep).parent)
    linked = error(
        f"{folder} is a symbolic link, so no copy with secrets is written there",
        f"replace {folder} with a real folder on the production host",
    )
    changed = error(
        f"{path} changed after it was read, so it was not replaced",
        "find out who changed it, then continue with --resume",
    )
    locked = error(
        f"another process held the lock on {folder} for 10 s, so {path} was not replaced",
        "find that process with `lslocks`, then continue with --resume",
    )
    return (
        command(
            "sh", "-c", _REPLACE, "sh", sha256, path, keep, folder,
            stdin=content,
            means=((_LINKED, linked), (_NOT_AS_READ, changed), (_LOCKED, locked)),
        ),
    )  # fmt: skip
