"""Files of records: readable by their owner alone, never written through a symbolic link."""

import os
import pwd
import secrets
import shlex
import stat
from pathlib import Path

from runbook.errors import SettingsError

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
MODE = 0o600
FOLDER_MODE = 0o700


def make_reports(reports: Path) -> None:
    """Make the folder of records, if it is not there.

    A folder of ours that its group could write is closed to the group. Raises SettingsError when it cannot be made,
    and when anybody else could put files or links into it.
    """
    try:
        reports.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = reports.stat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o022 == 0o020:  # as a umask of 002 makes it
            reports.chmod(stat.S_IMODE(found.st_mode) & ~0o020)
    except OSError as error:
        raise SettingsError(
            f"the folder of records {reports} cannot be made ({error.strerror})", "name another one with --reports DIR"
        ) from None
    if found.st_uid != os.geteuid():
        raise SettingsError(
            f"the folder of records {reports} belongs to {_name(found.st_uid)}, and you are {_name(os.geteuid())}",
            "name a folder of your own with --reports DIR: its owner could read and change what is in it",
        )
    if found.st_mode & 0o002:
        raise SettingsError(
            f"the folder of records {reports} can be written by everybody",
            f"type chmod go-w {shlex.quote(str(reports))}, then start again",
        )


def check_record(folder: Path) -> None:
    """Raise SettingsError when the folder of a record to resume is a link, or another user's."""
    try:
        found = folder.lstat()
    except OSError:
        return  # who reads it says that it is not there
    if folder.is_symlink() or found.st_uid != os.geteuid():
        what = "is a symbolic link" if folder.is_symlink() else f"belongs to {_name(found.st_uid)}"
        raise SettingsError(f"the record's folder {folder} {what}", "go on as its owner, where the record was begun")


def write(target: Path, text: str) -> None:
    """Replace `target` by a file with `text`, atomically. Raises OSError; `target` is as it was then."""
    # Two runs may end at once: each writes a draft of its own.
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, NEW_FILE, MODE), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, target)  # noqa: PTH105 - Path.replace returns a path that nobody wants here
    finally:
        draft.unlink(missing_ok=True)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
