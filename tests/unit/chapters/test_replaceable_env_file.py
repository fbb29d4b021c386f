"""Whether the env file can be replaced is checked before traffic is paused."""

import grp
import os
import pwd
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters import identify_target
from runbook.hosts.files.local import LocalFiles
from runbook.hosts.files.look import FileRecorder
from runbook.hosts.seen_by_testinfra import seen_by_testinfra
from runbook.production.env_file import EnvFileOnHost
from runbook.secrets.redactor import Redactor
from tests.support.incident_parts import incident, production


class Refusing(LocalFiles):
    """The files of a host where we are somebody else: root may write everywhere."""

    def __init__(self, recorder: FileRecorder, deadline: float, refused: str) -> None:
        super().__init__(recorder, deadline)
        self._refused = refused

    def writable(self, paths: Sequence[str]) -> set[str]:
        return super().writable(paths) - {self._refused}


def context(folder: Path, *, refused: str = "nothing", user: str | None = None) -> Any:
    """A production on whose host this user may not write `refused`, and `id -u` says `user`."""
    (folder / ".env").write_text("IMAGE_TAG=v2\n")
    found = incident(folder)
    site = production(folder, found)
    vars(site.host)["files"] = lambda deadline: Refusing(found, deadline, refused)
    if user:
        (folder / "bin/id").write_text(f"#!/bin/sh\necho {user}\n")
        (folder / "bin/id").chmod(0o755)
    env_file = EnvFileOnHost(site, str(folder / ".env"), Redactor(), ())
    return SimpleNamespace(env_file=env_file, host=site.host, production=site, seen=seen_by_testinfra(site.host, 10))


def test_folder_that_can_be_written(tmp_path: Path) -> None:
    """A writable folder and the file's own user are enough."""
    assert identify_target.replaceable_env_file(context(tmp_path)).observe().ok


@pytest.mark.parametrize("what", ["", "/.runbook"])
def test_without_write_permission(tmp_path: Path, what: str) -> None:
    """A folder that cannot be written, the project's or the runbook's own in it, is named."""
    (tmp_path / ".runbook").mkdir()
    seen = identify_target.replaceable_env_file(context(tmp_path, refused=f"{tmp_path}{what}")).observe()
    assert not seen.ok
    assert f"{tmp_path}{what} NOT writable" in seen.seen
    about = tmp_path.stat()
    names = f"{pwd.getpwuid(about.st_uid).pw_name}:{grp.getgrgid(about.st_gid).gr_name}"
    whose = f"{names} with mode {about.st_mode & 0o7777:o}"
    assert f"{tmp_path} is of {whose}, and this user is in the groups " in seen.seen
    assert grp.getgrgid(os.getgid()).gr_name in seen.seen.rpartition("groups ")[2].split(", ")


def test_file_of_another_owner(tmp_path: Path) -> None:
    """A user who is not the file's owner would change its owner by replacing it."""
    seen = identify_target.replaceable_env_file(context(tmp_path, user="4711")).observe()
    assert not seen.ok
    assert "user 4711" in seen.seen


def test_notes_behind_a_link(tmp_path: Path) -> None:
    """Copies of the env file would be written to wherever the link leads."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".runbook").symlink_to("elsewhere")
    seen = identify_target.replaceable_env_file(context(tmp_path)).observe()
    assert not seen.ok
    assert f"{tmp_path}/.runbook is a LINK" in seen.seen
