"""A file on the host that Compose mounts: replaced atomically, with only its content changed."""

import os
import stat
from pathlib import Path

import pytest

from runbook.errors import StoreError
from runbook.hosts.command import Command
from runbook.secrets.stores.host_file import HostFile
from tests.support.parts import Heard, host


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file as a deploy wrote it."""
    found = tmp_path / "export_mode"
    found.write_bytes(b"on\n")
    found.chmod(0o440)
    if os.geteuid() == 0:
        os.chown(found, 4711, 4712)
    return found


def opened(path: Path, heard: Heard | None = None) -> HostFile:
    return HostFile(str(path), Command((), 10, str(path.parent)), host(heard))


def test_replaced_with_the_same_mode_and_owner(path: Path) -> None:
    """Mode, owner and the final line break stay; a process with the old file open still reads that."""
    before = path.stat()
    store = opened(path)
    assert store.settable() == "this user may replace it"
    with path.open("rb") as old:
        store.set("off", store.read())
        assert old.read() == b"on\n"
    after = path.stat()
    assert path.read_bytes() == b"off\n"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert [each.name for each in path.parent.iterdir()] == ["export_mode"]


def test_content_is_never_recorded(path: Path) -> None:
    """Neither the content that is read nor the content that is written is recorded."""
    heard = Heard()
    store = opened(path, heard)
    store.set("off", store.read())
    assert heard.ended
    assert all(each.command.secret_output and "off" not in each.command.argv for each in heard.ended)


def test_link_is_followed(path: Path) -> None:
    """A link's target is replaced, and the link stays."""
    link = path.with_name("current")
    link.symlink_to(path.name)
    store = opened(link)
    store.set("off", store.read())
    assert link.is_symlink()
    assert path.read_bytes() == b"off\n"


def test_change_of_others_is_not_overwritten(path: Path) -> None:
    """Somebody else's change after the read is not overwritten, and no other file is left."""
    store = opened(path)
    seen = store.read()
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_bytes(b"maintenance\n")
    with pytest.raises(StoreError, match="somebody else changed it after it was read"):
        store.set("off", seen)
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("export_mode", b"maintenance\n")]


def test_missing_file(path: Path) -> None:
    """A missing file is reported with its path."""
    path.unlink()
    with pytest.raises(StoreError, match=r"export_mode cannot be read: .*No such file.*→ ls -l"):
        opened(path).read()


def test_file_of_others_is_told_beforehand(path: Path) -> None:
    """Another user's file is refused in the plan: replacing it would change its owner."""
    folder = path.parent / "bin"
    folder.mkdir()
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    theirs = path if os.geteuid() == 0 else Path("/etc/passwd")
    as_somebody = host(environment={"PATH": f"{folder}:/usr/bin:/bin"})
    with pytest.raises(StoreError, match="expected a file that this user may replace"):
        HostFile(str(theirs), Command((), 10, str(path.parent)), as_somebody).settable()
