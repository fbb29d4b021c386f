"""Files of a host: read by commands or directly, with equal results and errors."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import CommandSaidTooMuch, CommandTimedOut, FileUnreadable
from runbook.hosts.files import local
from runbook.hosts.files.files import Files
from runbook.hosts.files.local import LocalFiles
from runbook.hosts.files.look import Asked
from tests.support.parts import Heard, host

#: By commands, as on a host over SSH, and directly, as on this machine.
WAYS: list[Callable[[Heard], Files]] = [lambda heard: Files(host(heard), 5), lambda heard: LocalFiles(heard, 5)]


@pytest.fixture(params=WAYS, ids=["by commands", "here"])
def files(request: pytest.FixtureRequest) -> Files:
    made: Files = request.param(Heard())
    return made


def test_file_is_seen_with_its_facts(files: Files, tmp_path: Path) -> None:
    """A file's bytes, mode, owner and group are read, and the path behind a link."""
    there = tmp_path / "a b\nc"
    there.write_bytes(b"\0\xff\n\n")
    there.chmod(0o640)
    (tmp_path / "link").symlink_to(there)
    found = files.content(str(tmp_path / "link"))
    assert found is not None
    assert (found.path, found.content, found.mode) == (str(there), b"\0\xff\n\n", "640")
    assert (found.owner, found.group) == (str(os.geteuid()), str(there.stat().st_gid))


def test_file_that_is_not_there_is_none(files: Files, tmp_path: Path) -> None:
    """A missing file or folder is None, not an error."""
    assert files.content(str(tmp_path / "none")) is None
    assert files.content(str(tmp_path / "no folder/none")) is None
    assert files.names(str(tmp_path / "no folder")) is None


def test_what_cannot_be_read_is_an_error(files: Files, tmp_path: Path) -> None:
    """A folder read as a file, a file read as a folder, or a dangling link is an error, not a missing file."""
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    for path in ("", "dangling", "file/inner"):
        with pytest.raises(FileUnreadable, match="cannot be read"):
            files.content(str(tmp_path / path))
    with pytest.raises(FileUnreadable, match="cannot be read"):
        files.names(str(tmp_path / "file"))


def test_large_file_is_not_read_to_its_end(files: Files, tmp_path: Path) -> None:
    """A file larger than the limit is refused."""
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    with pytest.raises(CommandSaidTooMuch):
        files.content(str(tmp_path / "large"), most=50_000)
    assert files.content(str(tmp_path / "large"), most=100_000) is not None


def test_names_in_a_folder(files: Files, tmp_path: Path) -> None:
    """All names in a folder are listed, sorted."""
    for name in ("b", "a", ".c"):
        (tmp_path / name).touch()
    assert files.names(str(tmp_path)) == [".c", "a", "b"]


def test_which_are_there_and_which_may_be_written(files: Files, tmp_path: Path) -> None:
    """Several paths are checked at once for existence and write access; no paths give an empty set."""
    (tmp_path / "a").touch()
    paths = [str(tmp_path / "a"), str(tmp_path / "x y")]
    assert files.there(paths) == {paths[0]}
    assert files.writable(paths) == {paths[0]}
    assert files.there([]) == set()


def test_which_are_links_and_who_looks(files: Files, tmp_path: Path) -> None:
    """Links are found, dangling ones too, and the user is that of this process."""
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    assert files.links([str(tmp_path / name) for name in ("a", "link", "none")]) == {str(tmp_path / "link")}
    assert files.links([]) == set()
    assert files.user() == str(os.geteuid())


def test_free_bytes(files: Files, tmp_path: Path) -> None:
    """Free bytes are those of the file system; a missing path is left out."""
    found = files.free_bytes([str(tmp_path), str(tmp_path / "none")])
    assert list(found) == [str(tmp_path)]
    assert 0 <= found[str(tmp_path)] < 1 << 60


def test_look_here_is_on_record_and_starts_no_command(tmp_path: Path) -> None:
    """A local look starts no command and is recorded, without the content of a secret file."""
    heard = Heard()
    (tmp_path / "f").write_text("canary-4711")
    found = host(heard).files(5)
    found.content(str(tmp_path / "f"))
    found.content(str(tmp_path / "f"), secret=True)
    found.content(str(tmp_path / "none"))
    assert heard.began == []
    assert [look.asked for look in heard.looks] == [Asked.CONTENT] * 3
    assert [look.seen for look in heard.looks] == ["canary-4711", None, "does not exist"]


def test_disk_that_hangs_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local look that hangs is abandoned at its deadline; any other OSError is FileUnreadable."""
    os.mkfifo(tmp_path / "pipe")
    heard = Heard()
    with pytest.raises(CommandTimedOut, match="could not be read within"):
        LocalFiles(heard, 0.2).content(str(tmp_path / "pipe"))
    assert heard.looks[0].error == "no answer"
    monkeypatch.setattr(local, "_content", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(FileUnreadable, match="Permission denied"):
        LocalFiles(heard, 5).content(str(tmp_path / "f"))
