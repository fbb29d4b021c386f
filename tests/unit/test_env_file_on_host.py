"""The env file where it lies: read with its mode and owner, replaced in one step, and kept as it was."""

import os
from pathlib import Path

import pytest

from runbook.env_file import EnvFileOnHost
from runbook.errors import EnvFileError
from runbook.incident.redaction import Redactor
from tests.unit.parts import Heard, host

CONTENT = b"# shop\nIMAGE_TAG=v1\nMETRICS_TOKEN=canary-4711\nPLAIN=nothing-special\n"
#: Root can give files away; everybody else sees that a file stays theirs.
OWNER = 12345 if os.geteuid() == 0 else os.geteuid()


def laid_out(folder: Path) -> Path:
    path = folder / ".env"
    path.write_bytes(CONTENT)
    path.chmod(0o640)
    os.chown(path, OWNER, -1)
    return path


def on_host(path: Path, redactor: Redactor | None = None, heard: Heard | None = None) -> EnvFileOnHost:
    return EnvFileOnHost(host(heard), str(path), redactor or Redactor(), 10, ())


def replace(path: Path, value: str, keep: Path) -> None:
    there = on_host(path)
    env_file = there.read()
    for command in there.replacing(env_file, env_file.with_value("IMAGE_TAG", value), str(keep)):
        host().check(command)


def looks(path: Path) -> tuple[bytes, int, int]:
    stat = path.stat()
    return path.read_bytes(), stat.st_mode & 0o7777, stat.st_uid


def test_read_gives_bytes_mode_and_owner(tmp_path: Path) -> None:
    """Reading gives the bytes as they are, the mode, and whom the file belongs to."""
    env_file = on_host(laid_out(tmp_path)).read()
    assert env_file.content == CONTENT
    assert env_file.mode == "640"
    assert env_file.owner == str(OWNER)


def test_read_learns_secrets_and_keeps_content_to_itself(tmp_path: Path) -> None:
    """After reading, the file's secrets are known to redaction, and the command that read it is kept without output."""
    redactor, heard = Redactor(), Heard()
    on_host(laid_out(tmp_path), redactor, heard).read()
    assert redactor.text("canary-4711") == "[secret METRICS_TOKEN]"
    assert redactor.text("nothing-special") == "nothing-special"
    showing = [done for done in heard.ended if b"canary" in done.stdout and not done.command.secret_output]
    assert showing == []


def test_listed_variable_is_secret_too(tmp_path: Path) -> None:
    """A variable that the settings list is secret whatever its name."""
    redactor = Redactor()
    EnvFileOnHost(host(), str(laid_out(tmp_path)), redactor, 10, ("PLAIN",)).read()
    assert redactor.text("nothing-special") == "[secret PLAIN]"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: None, id="not-there"),  # noqa: ARG005 - nothing is made
        pytest.param(lambda path: path.mkdir(), id="a-folder"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="a-link-to-nothing"),
    ],
)
def test_no_file_is_refused_by_its_path(tmp_path: Path, make: object) -> None:
    """Where there is no env file, its path is told."""
    path = tmp_path / ".env"
    make(path)  # type: ignore[operator]
    with pytest.raises(EnvFileError, match=str(path)):
        on_host(path).read()


def test_replacing_changes_the_value_and_nothing_else(tmp_path: Path) -> None:
    """After replacing, one value is new; the other bytes, the mode and the owner are as before."""
    path = laid_out(tmp_path)
    replace(path, "v2", tmp_path / "kept.env")
    assert looks(path) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert sorted(found.name for found in tmp_path.iterdir()) == [".env", "kept.env"]


def test_kept_copy_is_the_file_as_it_was(tmp_path: Path) -> None:
    """The copy that is kept has the old bytes, the old mode and the old owner."""
    path = laid_out(tmp_path)
    replace(path, "v2", tmp_path / "kept.env")
    assert looks(tmp_path / "kept.env") == (CONTENT, 0o640, OWNER)


def test_link_stays_a_link_to_the_changed_file(tmp_path: Path) -> None:
    """When the env file is a link, the file behind it changes and the link stays."""
    (tmp_path / "shared").mkdir()
    real = laid_out(tmp_path / "shared")
    link = tmp_path / ".env"
    link.symlink_to("shared/.env")
    replace(link, "v2", tmp_path / "kept.env")
    assert link.is_symlink()
    assert looks(real) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert not (tmp_path / "kept.env").is_symlink()


def test_leftover_of_a_crashed_run_does_not_leak_in(tmp_path: Path) -> None:
    """A longer, open-to-all `.env.new` that a crashed run left behind leaves nothing in the new file."""
    path = laid_out(tmp_path)
    leftover = tmp_path / ".env.new"
    leftover.write_bytes(CONTENT * 3)
    leftover.chmod(0o666)
    replace(path, "v2", tmp_path / "kept.env")
    assert looks(path) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert not leftover.exists()


def test_replacing_is_exactly_these_commands(tmp_path: Path) -> None:
    """The old file is copied, the new one is written beside it, and one rename puts it in place."""
    path = laid_out(tmp_path)
    there = on_host(path)
    commands = there.replacing(there.read(), b"IMAGE_TAG=v2\n", "/srv/kept.env")
    assert [command.argv for command in commands] == [
        ("cp", "--preserve=all", "--", str(path), "/srv/kept.env"),
        ("cp", "--preserve=all", "--attributes-only", "--", str(path), f"{path}.new"),
        ("dd", f"of={path}.new", "conv=fsync", "status=none"),
        ("mv", "--force", "--", f"{path}.new", str(path)),
        ("sync", "--", str(path)),
    ]
    assert [command.stdin for command in commands] == [None, None, b"IMAGE_TAG=v2\n", None, None]


def test_until_the_rename_the_old_file_stands(tmp_path: Path) -> None:
    """Whichever command is the last one that a dying run gets to, the env file is the old one or the new one, whole."""
    path = laid_out(tmp_path)
    there = on_host(path)
    new = CONTENT.replace(b"v1", b"v2")
    stood = []
    for command in there.replacing(there.read(), new, str(tmp_path / "kept.env")):
        host().check(command)
        stood.append(path.read_bytes())
    assert stood == [CONTENT, CONTENT, CONTENT, new, new]


def test_old_value_comes_back_from_the_kept_copy(tmp_path: Path) -> None:
    """The kept copy can be read like the env file, so a comparison can be made with it later."""
    path = laid_out(tmp_path)
    replace(path, "v2", tmp_path / "kept.env")
    kept = on_host(path).at(str(tmp_path / "kept.env")).read()
    assert kept.value_of("IMAGE_TAG") == "v1"
    assert kept.with_value("IMAGE_TAG", "v2") == path.read_bytes()
