"""Files of records: readable only by their owner, never written through a symbolic link."""

import os
import pwd
import secrets
import shlex
import stat
from datetime import UTC, datetime
from pathlib import Path

from runbook.errors import SettingsError

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
MODE = 0o600
FOLDER_MODE = 0o700


def make_reports(reports: Path) -> None:
    """Make the folder of records if it does not exist.

    If the folder is ours and its group can write it, the group loses that permission. Raises SettingsError if the
    folder cannot be made, or if other users can put files or links into it.
    """
    try:
        reports.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = reports.stat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o022 == 0o020:  # as a umask of 002 makes it
            reports.chmod(stat.S_IMODE(found.st_mode) & ~0o020)
    except OSError as error:
        raise SettingsError(
            f"cannot create the folder of records {reports} ({error.strerror})",
            "name another folder with --reports DIR",
        ) from None
    if found.st_uid != os.geteuid():
        raise SettingsError(
            f"the folder of records {reports} belongs to {_name(found.st_uid)}, but you are {_name(os.geteuid())}",
            "name your own folder with --reports DIR: the owner of this one could read and change the records",
        )
    if found.st_mode & 0o002:
        raise SettingsError(
            f"the folder of records {reports} is writable by everyone",
            f"type chmod go-w {shlex.quote(str(reports))}, then start again",
        )


def make_record(reports: Path, project: str, kind: str) -> tuple[Path, str]:
    """Make the folder of a new record, named by the time (UTC), the project and the kind. Return it and its name.

    Raises SettingsError if it cannot be made.
    """
    make_reports(reports)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for again in range(100):
        incident = f"{stamp}-{project}-{kind}{f'-{again + 1}' if again else ''}"
        folder = reports / incident
        try:
            folder.mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            continue
        except OSError as error:
            raise SettingsError(
                f"cannot create the record's folder {folder} ({error.strerror})",
                "name another folder with --reports DIR",
            ) from None
        return folder, incident
    raise SettingsError(f"too many records with the time {stamp} in {reports}", "wait a second and try again")


def check_record(folder: Path) -> None:
    """Raise SettingsError if the folder of a record to resume is a link or belongs to another user."""
    try:
        found = folder.lstat()
    except OSError:
        return  # the reader reports that it is missing
    if folder.is_symlink() or found.st_uid != os.geteuid():
        what = "is a symbolic link" if folder.is_symlink() else f"belongs to {_name(found.st_uid)}"
        raise SettingsError(
            f"the record's folder {folder} {what}", "resume as its owner, on the machine where the record began"
        )


def write(target: Path, text: str) -> None:
    """Replace `target` atomically with a file that contains `text`. If that raises OSError, `target` is unchanged."""
    # Two runs may end at the same time, so each writes its own draft.
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, NEW_FILE, MODE), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, target)  # noqa: PTH105 - Path.replace returns a path, which is not needed
    finally:
        draft.unlink(missing_ok=True)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
