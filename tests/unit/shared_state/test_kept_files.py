"""Copies of Compose files and env files: private, named by SHA-256, and kept as long as a snapshot names them."""

import hashlib
from pathlib import Path

import pytest

from runbook.errors import Inconclusive
from runbook.production.configuration import Configuration, Part, Value
from runbook.release import Release
from runbook.shared_state.ledger import Ledger
from runbook.shared_state.release_snapshot import ReleaseSnapshot
from tests.support.notes import digests, execute, ledger_of


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def enter(ledger: Ledger, tag: str, compose: bytes, env_file: bytes = b"A=1\n", needed: tuple[str, ...] = ()) -> None:
    """Add to the ledger a release that was validated with these two files."""
    configuration: Configuration = {Part.FILES: {"docker-compose.yml": Value(sha256(compose))}}
    snapshot = ReleaseSnapshot.of(tag, configuration, []).model_copy(update={"env_file": sha256(env_file)})
    release = Release(tag, {}, digests("9"))
    execute(ledger.add(release, "i-1", None, {}, snapshot, copies=(compose, env_file), needed=needed))


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".runbook/release_files").iterdir()}


def test_they_are_private_and_read_again(tmp_path: Path) -> None:
    """Each content is one file of mode 600 in a folder of mode 700, and is read back byte for byte."""
    ledger = ledger_of(tmp_path)
    enter(ledger, "v1", b"\xff\x00 no text\n")
    folder = tmp_path / ".runbook/release_files"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert kept(tmp_path) == {sha256(b"\xff\x00 no text\n"), sha256(b"A=1\n")}
    assert ledger.copies.read(sha256(b"\xff\x00 no text\n")) == b"\xff\x00 no text\n"


def test_those_that_no_snapshot_names_are_removed(tmp_path: Path) -> None:
    """Copies named by the newest 20 lines, or needed by the current run, stay; the others are removed."""
    ledger = ledger_of(tmp_path)
    for number in range(21):
        enter(ledger, f"r{number}", f"# {number}".encode())
    assert kept(tmp_path) == {sha256(b"A=1\n"), *(sha256(f"# {number}".encode()) for number in range(1, 21))}
    enter(ledger, "r21", b"# 21", needed=(sha256(b"# 1"),))
    assert sha256(b"# 1") in kept(tmp_path)
    assert sha256(b"# 2") in kept(tmp_path)
    enter(ledger, "r22", b"# 22")
    assert not {sha256(b"# 1"), sha256(b"# 2")} & kept(tmp_path)


@pytest.mark.parametrize(("spoil", "words"), [(True, "is not the file that was kept"), (False, "does not exist")])
def test_copy_that_is_not_what_was_kept(tmp_path: Path, *, spoil: bool, words: str) -> None:
    """A changed or missing copy is refused, without its content in the error."""
    ledger = ledger_of(tmp_path)
    enter(ledger, "v1", b"services: {}\n")
    file = Path(ledger.copies.path(sha256(b"services: {}\n")))
    file.write_text("s3cr3t-4711") if spoil else file.unlink()
    with pytest.raises(Inconclusive, match=words) as caught:
        ledger.copies.read(sha256(b"services: {}\n"))
    assert "s3cr3t" not in str(caught.value)
