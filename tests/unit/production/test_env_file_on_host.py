"""The env file on the host: read with its mode and owner, replaced atomically, with a copy of the old file."""

import dataclasses
import fcntl
import os
import shlex
from pathlib import Path

import pytest

from runbook.errors import CommandFailed, EnvFileError
from runbook.hosts.command import Command
from runbook.production.env_file import EnvFileOnHost
from runbook.production.invocation import Invocation
from runbook.secrets.redactor import Redactor
from tests.support.incident_parts import production
from tests.support.parts import Heard, host

#: The script's line that renames the new file into place. The line after it is `sync`.
_RENAMED = 12
CONTENT = b"# shop\nIMAGE_TAG=v1\nMETRICS_TOKEN=canary-4711\nPLAIN=nothing-special\n"
#: Only root can change a file's owner; for other users the file must stay theirs.
OWNER = 12345 if os.geteuid() == 0 else os.geteuid()


def laid_out(folder: Path) -> Path:
    path = folder / ".env"
    path.write_bytes(CONTENT)
    path.chmod(0o640)
    os.chown(path, OWNER, -1)
    return path


def on_host(path: Path, redactor: Redactor | None = None, heard: Heard | None = None) -> EnvFileOnHost:
    return EnvFileOnHost(production(path.parent, heard or Heard()), str(path), redactor or Redactor(), ())


def replace(path: Path, value: str, keep: Path) -> None:
    there = on_host(path)
    env_file = there.read()
    for command in there.replace_commands(env_file, there.with_value(env_file, "IMAGE_TAG", value), str(keep)):
        host().check(command)


def looks(path: Path) -> tuple[bytes, int, int]:
    stat = path.stat()
    return path.read_bytes(), stat.st_mode & 0o7777, stat.st_uid


def test_read_gives_bytes_mode_and_owner(tmp_path: Path) -> None:
    """Reading returns the unchanged bytes, the mode and the owner."""
    env_file = on_host(laid_out(tmp_path)).read()
    assert env_file.content == CONTENT
    assert env_file.mode == "640"
    assert env_file.owner == str(OWNER)


def test_read_learns_secrets_and_keeps_content_to_itself(tmp_path: Path) -> None:
    """Reading teaches redaction the file's secrets, and the command that reads it is recorded without output."""
    redactor, heard = Redactor(), Heard()
    on_host(laid_out(tmp_path), redactor, heard).read()
    assert redactor.text("canary-4711") == "[secret METRICS_TOKEN]"
    assert redactor.text("nothing-special") == "nothing-special"
    showing = [done for done in heard.ended if b"canary" in done.stdout and not done.command.secret_output]
    assert showing == []


def test_listed_variable_is_secret_too(tmp_path: Path) -> None:
    """A variable listed in the settings is secret, whatever its name."""
    redactor = Redactor()
    EnvFileOnHost(production(tmp_path, Heard()), str(laid_out(tmp_path)), redactor, ("PLAIN",)).read()
    assert redactor.text("nothing-special") == "[secret PLAIN]"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: None, id="not-there"),  # noqa: ARG005 - no file is created
        pytest.param(lambda path: path.mkdir(), id="a-folder"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="a-link-to-nothing"),
    ],
)
def test_no_file_is_refused_by_its_path(tmp_path: Path, make: object) -> None:
    """A missing env file, a folder or a dangling link is an error that names the path."""
    path = tmp_path / ".env"
    make(path)  # type: ignore[operator]
    with pytest.raises(EnvFileError, match=str(path)):
        on_host(path).read()


def test_replacing_changes_the_value_and_nothing_else(tmp_path: Path) -> None:
    """Replacing changes one value; the other bytes, the mode and the owner stay."""
    path = laid_out(tmp_path)
    replace(path, "v2", tmp_path / "kept.env")
    assert looks(path) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert sorted(found.name for found in tmp_path.iterdir() if found.is_file()) == [".env", "kept.env"]


def test_kept_copy_is_the_file_as_it_was(tmp_path: Path) -> None:
    """The copy has the old bytes, mode and owner."""
    path = laid_out(tmp_path)
    replace(path, "v2", tmp_path / "kept.env")
    assert looks(tmp_path / "kept.env") == (CONTENT, 0o640, OWNER)


def test_link_stays_a_link_to_the_changed_file(tmp_path: Path) -> None:
    """If the env file is a link, its target changes and the link stays."""
    (tmp_path / "shared").mkdir()
    real = laid_out(tmp_path / "shared")
    link = tmp_path / ".env"
    link.symlink_to("shared/.env")
    replace(link, "v2", tmp_path / "kept.env")
    assert link.is_symlink()
    assert looks(real) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert not (tmp_path / "kept.env").is_symlink()


def test_leftover_of_a_crashed_run_does_not_leak_in(tmp_path: Path) -> None:
    """A longer, world-writable `.env.new` of a crashed run leaves nothing in the new file."""
    path = laid_out(tmp_path)
    leftover = tmp_path / ".env.new"
    leftover.write_bytes(CONTENT * 3)
    leftover.chmod(0o666)
    replace(path, "v2", tmp_path / "kept.env")
    assert looks(path) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert not leftover.exists()


def test_planted_links_are_not_followed(tmp_path: Path) -> None:
    """Links at the paths of the new file and the copy are replaced, and their targets stay unchanged."""
    path, keep, victim = laid_out(tmp_path), tmp_path / "kept.env", tmp_path / "victim"
    victim.write_text("precious")
    for planted in (f"{path}.new", f"{keep}.new", str(keep)):
        Path(planted).symlink_to(victim)
    replace(path, "v2", keep)
    assert victim.read_text() == "precious"
    assert looks(path) == (CONTENT.replace(b"v1", b"v2"), 0o640, OWNER)
    assert looks(keep) == (CONTENT, 0o640, OWNER)
    assert not keep.is_symlink()


@pytest.mark.parametrize("taken", [".env.new", "kept.env.new", "kept.env"])
def test_folder_in_the_way_is_not_filled(tmp_path: Path, taken: str) -> None:
    """If a folder has the name of a copy, replacing fails, the folder stays empty, and the env file unchanged."""
    path = laid_out(tmp_path)
    (tmp_path / taken).mkdir()
    with pytest.raises(CommandFailed, match="director"):
        replace(path, "v2", tmp_path / "kept.env")
    assert path.read_bytes() == CONTENT
    assert list((tmp_path / taken).iterdir()) == []


def test_lock_that_somebody_holds_is_said(tmp_path: Path) -> None:
    """If another process holds the lock, replacing fails with that reason, and the env file stays unchanged."""
    path = laid_out(tmp_path)
    there = on_host(path)
    commands = there.replace_commands(there.read(), CONTENT.replace(b"v1", b"v2"), str(tmp_path / "kept.env"))
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        (put,) = commands
        argv = tuple(word.replace("--wait 10", "--wait 0.1") for word in put.argv)
        with pytest.raises(EnvFileError, match=r"held the lock on .* → find that process"):
            host().check(dataclasses.replace(put, argv=argv))
    finally:
        os.close(held)
    assert path.read_bytes() == CONTENT


def test_copy_is_not_written_through_a_linked_folder(tmp_path: Path) -> None:
    """If `.runbook` is a symbolic link, no copy is written through it, and the env file stays unchanged."""
    path = laid_out(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".runbook").symlink_to("elsewhere")
    with pytest.raises(EnvFileError, match=r"\.runbook is a symbolic link"):
        replace(path, "v2", tmp_path / ".runbook/kept.env")
    assert path.read_bytes() == CONTENT
    assert list((tmp_path / "elsewhere").iterdir()) == []


def cut(command: Command, lines: int, then: str = "") -> Command:
    """Return the command with only the first `lines` of its script, or with `then` inserted after them."""
    shell, option, script, *rest = command.argv
    parts = script.strip().splitlines()
    assert lines <= len(parts)
    whole = "\n".join((*parts[:lines], then, *(parts[lines:] if then else ())))
    return dataclasses.replace(command, argv=(shell, option, whole, *rest))


@pytest.mark.parametrize("after", [*range(1, 11), 12, 13])
def test_file_that_somebody_changes_meanwhile_stays(tmp_path: Path, after: int) -> None:
    """A change by somebody else is never overwritten: before the rename, replacing fails with that reason."""
    path = laid_out(tmp_path)
    there = on_host(path)
    env_file = there.read()
    new = there.with_value(env_file, "IMAGE_TAG", "v2")
    (command,) = there.replace_commands(env_file, new, str(tmp_path / "kept.env"))
    theirs = CONTENT + b"ADDED=by-somebody\n"
    meddled = cut(command, after, f"printf %s {shlex.quote(theirs.decode())} > {shlex.quote(str(path))}")
    if after >= _RENAMED:
        host().check(meddled)
    else:
        with pytest.raises(EnvFileError, match="changed after it was read") as caught:
            host().check(meddled)
        assert "--resume" in caught.value.next_step
    assert path.read_bytes() == theirs
    assert not (tmp_path / ".env.new").exists()


def test_until_the_rename_the_old_file_stands(tmp_path: Path) -> None:
    """Wherever a run dies, the env file is completely the old one or completely the new one."""
    path = laid_out(tmp_path)
    there = on_host(path)
    new = CONTENT.replace(b"v1", b"v2")
    stood = []
    (command,) = there.replace_commands(there.read(), new, str(tmp_path / "kept.env"))
    for lines in range(1, 14):
        path.write_bytes(CONTENT)
        host().check(cut(command, lines))
        stood.append(path.read_bytes())
    assert stood == [*[CONTENT] * (_RENAMED - 1), new, new]


def test_new_file_is_never_open_to_others(tmp_path: Path) -> None:
    """The new file is never more open than the old one: it gets the old mode before its content."""
    path = laid_out(tmp_path)
    there = on_host(path)
    modes = []
    (command,) = there.replace_commands(there.read(), b"IMAGE_TAG=v2\n", str(tmp_path / "kept.env"))
    for lines in range(1, 9):
        host().check(cut(command, lines))
        new = tmp_path / ".env.new"
        modes += [(new.stat().st_mode & 0o777, new.read_bytes())] if new.exists() else []
        new.unlink(missing_ok=True)
    assert modes == [(0o600, b""), (0o640, b""), (0o640, b"IMAGE_TAG=v2\n")]


def test_old_value_comes_back_from_the_kept_copy(tmp_path: Path) -> None:
    """The copy can be read like the env file, for a later comparison."""
    path = laid_out(tmp_path)
    replace(path, "v2", tmp_path / "kept.env")
    there = on_host(path).at(str(tmp_path / "kept.env"))
    kept = there.read()
    assert kept.value_of("IMAGE_TAG") == "v1"
    assert there.with_value(kept, "IMAGE_TAG", "v2") == path.read_bytes()


@pytest.mark.parametrize(
    ("content", "value", "words"),
    [
        pytest.param(b"A=1\n", "v2", "does not set IMAGE_TAG", id="not-set"),
        pytest.param(b"IMAGE_TAG=\n", "v2", "does not set IMAGE_TAG", id="empty"),
        pytest.param(b"IMAGE_TAG=v1\n", "v 2", "is not a safe value", id="space"),
        pytest.param(b"PATH=v1\n", "v2", "whatever .* sets: it is set elsewhere", id="set-elsewhere"),
    ],
)
def test_what_cannot_be_changed(tmp_path: Path, content: bytes, value: str, words: str) -> None:
    """A value that the env file does not set, or an unsafe new value, is refused with the reason."""
    path = tmp_path / ".env"
    path.write_bytes(content)
    there = on_host(path)
    with pytest.raises(EnvFileError, match=words):
        there.with_value(there.read(), "PATH" if b"PATH" in content else "IMAGE_TAG", value)


def test_file_that_compose_cannot_read(tmp_path: Path) -> None:
    """Compose's quote from the file is not repeated in the error, because it may be an unknown secret."""
    folder = tmp_path / "my shop"
    folder.mkdir()
    path = laid_out(folder)
    site = production(folder, Heard())
    site.invocation = Invocation(("a.yml", "b.yml"), (".env", "more.env"))
    said = 'failed to read x: line 3: unexpected character "!" in variable name "A!=s3cret-canary"'
    (folder / "bin/docker").write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
    with pytest.raises(EnvFileError, match=r"cannot read the env file .*: line 3: unexpected character →") as caught:
        EnvFileOnHost(site, str(path), Redactor(), ()).read()
    assert "canary" not in str(caught.value)
    asking = caught.value.next_step.partition("on the host: ")[2]
    assert shlex.split(asking) == [
        "cd", str(folder), "&&", "docker", "compose", "-p", "shop", "--project-directory", str(folder),
        "--env-file", str(path), "--env-file", "more.env", "-f", "a.yml", "-f", "b.yml", "config", "--quiet",
    ]  # fmt: skip
