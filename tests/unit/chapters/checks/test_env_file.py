"""Checks of the env file before traffic is paused: it can be replaced, and it alone decides the tag."""

import grp
import os
import pwd
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.chapters.checks import env_file as checks
from runbook.hosts.files.local import LocalFiles
from runbook.hosts.files.look import FileRecorder
from runbook.hosts.local import LocalHost
from runbook.hosts.seen_by_testinfra import seen_by_testinfra
from runbook.production.env_file import EnvFileOnHost
from runbook.secrets.redactor import Redactor
from tests.support.incident_parts import incident, production


class Refusing(LocalFiles):
    """Files on a host where this user lacks rights. They are simulated, because root may write everywhere."""

    def __init__(self, recorder: FileRecorder, deadline: float, refused: str, user: str | None) -> None:
        super().__init__(recorder, deadline)
        self._refused = refused
        self._user = user

    def writable(self, paths: Sequence[str]) -> set[str]:
        return super().writable(paths) - {self._refused}

    def user(self) -> str:
        return self._user or super().user()


def context(folder: Path, *, refused: str = "nothing", user: str | None = None) -> Any:
    """A production whose host denies writing to `refused`, for the user with the id `user`."""
    (folder / ".env").write_text("IMAGE_TAG=v2\n")
    found = incident(folder)
    site = production(folder, found)
    vars(site.host)["files"] = lambda deadline: Refusing(found, deadline, refused, user)
    env_file = EnvFileOnHost(site, str(folder / ".env"), Redactor(), ())
    return SimpleNamespace(env_file=env_file, host=site.host, production=site, seen=seen_by_testinfra(site.host, 10))


def test_folder_that_can_be_written(tmp_path: Path) -> None:
    """A writable folder and an env file that this user owns are enough."""
    assert checks.replaceable(context(tmp_path)).observe().ok


@pytest.mark.parametrize("what", ["", "/.runbook"])
def test_without_write_permission(tmp_path: Path, what: str) -> None:
    """A project folder or `.runbook` folder that this user cannot write to is named."""
    (tmp_path / ".runbook").mkdir()
    seen = checks.replaceable(context(tmp_path, refused=f"{tmp_path}{what}")).observe()
    assert not seen.ok
    assert f"{tmp_path}{what} NOT writable" in seen.seen
    about = tmp_path.stat()
    names = f"{pwd.getpwuid(about.st_uid).pw_name}:{grp.getgrgid(about.st_gid).gr_name}"
    whose = f"{names} and mode {about.st_mode & 0o7777:o}"
    assert f"{tmp_path} has owner {whose}; this user's groups: " in seen.seen
    assert grp.getgrgid(os.getgid()).gr_name in seen.seen.rpartition("groups: ")[2].split(", ")


def test_file_of_another_owner(tmp_path: Path) -> None:
    """A user who does not own the env file may not replace it, because that would change its owner."""
    seen = checks.replaceable(context(tmp_path, user="4711")).observe()
    assert not seen.ok
    assert "user 4711" in seen.seen


def test_notes_behind_a_link(tmp_path: Path) -> None:
    """A `.runbook` that is a link fails the check, because copies of the env file would be written elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".runbook").symlink_to("elsewhere")
    seen = checks.replaceable(context(tmp_path)).observe()
    assert not seen.ok
    assert f"{tmp_path}/.runbook is a LINK" in seen.seen


def deciding(folder: Path, content: str, *shell: str) -> Any:
    """A production with this env file and these shell variables, for which Compose would start v2."""
    found = incident(folder)
    site = production(folder, found)
    host = LocalHost(dict(site.host.environment) | dict(each.split("=") for each in shell), found)
    vars(site).update(host=host, tag=lambda: "v2", images_with_tag=lambda: {"api": "shop/api:v2"})
    (folder / ".env").write_text(content)
    env_file = EnvFileOnHost(site, str(folder / ".env"), Redactor(), ())
    settings = SimpleNamespace(project=site.project)
    return SimpleNamespace(env_file=env_file, production=site, incident=found, settings=settings)


def test_tag_that_the_env_file_decides(tmp_path: Path) -> None:
    """The tag is reported with its images; at the same time Compose is asked with another value."""
    context = deciding(tmp_path, "IMAGE_TAG=v2\n")
    seen = checks.decides(context).observe()
    assert (seen.ok, seen.seen) == (True, "IMAGE_TAG=v2; Compose would start shop/api:v2")
    asked = [entry["command"] for entry in context.incident.journal.entries if entry["kind"] == "command"]
    assert ["CONTENT" in command for command in asked] == [False, True]


def test_tag_that_the_shell_decides(tmp_path: Path) -> None:
    """A tag that the shell sets fails the check, because Compose would ignore the env file's value."""
    seen = checks.decides(deciding(tmp_path, "IMAGE_TAG=v1\n", "IMAGE_TAG=v2")).observe()
    assert not seen.ok
    assert "it is set elsewhere" in seen.seen
