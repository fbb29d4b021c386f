"""Outputs too long for the journal are kept in files beside it, and any change of those files is detected."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook.hosts.command import Command
from runbook.hosts.http import HttpResponse
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor
from runbook.journal.output_files import Outputs, check_outputs, is_output
from runbook.journal.recorder import KEPT_OUTPUT
from runbook.journal.verify import verify
from tests.support.incident_parts import incident

SECRET = "canary-4711"


def run(found: Executor, text: str, *, to: str = "1", secret: bool = False) -> dict[str, object]:
    source = found.journal.path.with_name("source")
    source.write_text(text, encoding="utf-8")
    LocalHost({"PATH": "/usr/bin:/bin"}, found).run(
        Command(("sh", "-c", f"cat {source} >&{to}"), 10, secret_output=secret)
    )
    return dict(found.journal.entries[-1])


def asked(found: Executor, body: str) -> dict[str, object]:
    found.exchanged("GET", "http://x/", None, HttpResponse("http://x/", 200, {}, body, 0.1))
    return dict(found.journal.entries[-1])


def problems(found: Executor) -> list[str]:
    return check_outputs(verify(found.journal.path).entries, found.journal.path.parent)[1]


@pytest.mark.parametrize(("to", "stream"), [("1", "stdout"), ("2", "stderr")])
def test_long_output_stands_whole_beside_the_journal(tmp_path: Path, to: str, stream: str) -> None:
    """The journal keeps the end of a long output, the file all of it, redacted. The entry has name, hash and size."""
    found = incident(tmp_path)
    found.journal.redactor.learn("TOKEN", SECRET)
    said = run(found, f"begin {SECRET} ä\n" + "y" * KEPT_OUTPUT, to=to)[stream]
    expected = ("begin [secret TOKEN] ä\n" + "y" * KEPT_OUTPUT).encode()
    name = f"output/0001-{stream}.txt"
    assert said == {
        "bytes": len(f"begin {SECRET} ä\n".encode()) + KEPT_OUTPUT,
        "kept": "y" * KEPT_OUTPUT,
        "file": name,
        "sha256": hashlib.sha256(expected).hexdigest(),
        "file_bytes": len(expected),
    }
    assert (tmp_path / name).read_bytes() == expected
    assert (tmp_path / name).stat().st_mode == found.journal.path.stat().st_mode
    assert problems(found) == []


def test_short_output_has_no_file(tmp_path: Path) -> None:
    """Output that fits in the journal has no file."""
    found = incident(tmp_path)
    assert set(run(found, "y" * KEPT_OUTPUT)["stdout"]) == {"bytes", "kept"}
    assert "body_file" not in asked(found, "y" * 4096)
    assert not (tmp_path / "output").exists()


def test_secret_output_has_no_file(tmp_path: Path) -> None:
    """Secret output has no file, on either stream."""
    found = incident(tmp_path)
    for to in ("1", "2"):
        run(found, "not known as a secret" * KEPT_OUTPUT, to=to, secret=True)
    assert not (tmp_path / "output").exists()


def test_long_answer_stands_whole_beside_the_journal(tmp_path: Path) -> None:
    """A long HTTP body is kept in a file, redacted."""
    found = incident(tmp_path)
    found.journal.redactor.learn("TOKEN", SECRET)
    entry = asked(found, "y" * 5000 + SECRET)
    assert entry["body"] == "y" * 4096
    assert (tmp_path / entry["body_file"]["file"]).read_text() == "y" * 5000 + "[secret TOKEN]"
    assert problems(found) == []


def test_what_is_said_again_has_one_file(tmp_path: Path) -> None:
    """A repeated long answer is stored in one file."""
    found = incident(tmp_path)
    names = {asked(found, "y" * 5000)["body_file"]["file"] for _ in range(5)}
    assert names == {"output/0001-body.txt"}
    assert asked(found, "z" * 5000)["body_file"]["file"] == "output/0002-body.txt"
    assert check_outputs(found.journal.entries, tmp_path) == (2, [])


def test_resumed_run_writes_over_no_file(tmp_path: Path) -> None:
    """A resumed run overwrites no file of earlier runs, and gives new numbers."""
    (tmp_path / "output").mkdir()
    earlier = {tmp_path / "output" / name: name for name in ("0001-stdout.txt", "0002-body.txt", "0004-stderr.txt")}
    for path, text in earlier.items():
        path.write_text(text)
    outputs = Outputs(tmp_path / "journal.jsonl")
    names = [outputs.keep(f"{number}" * 9, "stdout")["file"] for number in range(3)]
    assert names == ["output/0003-stdout.txt", "output/0005-stdout.txt", "output/0006-stdout.txt"]
    assert all(path.read_text() == text for path, text in earlier.items())


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_output_that_does_not_fit_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    """On a full disk, the entry has the error instead of a file, no partial file is left, and the run continues."""
    found = incident(tmp_path)
    with largest_file(60_000):
        entry = asked(found, "é" * 40_000)
        assert asked(found, "y" * 5000)["body_file"]["file"] == "output/0002-body.txt"
    assert entry["body"] == "é" * 4096
    assert entry["body_file"] == {"file_error": "File too large"}
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["0002-body.txt"]
    assert problems(found) == []


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """If the folder cannot be created, the entry says so."""
    (tmp_path / "output").write_text("in the way")
    assert "File exists" in str(asked(incident(tmp_path), "y" * 5000)["body_file"]["file_error"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda path: path.unlink(), "output/0001-body.txt is missing", id="missing"),
        pytest.param(lambda path: path.write_text("x"), "output/0001-body.txt was changed", id="changed"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), "cannot be read (Is a directory)", id="folder"),
    ],
)
def test_changed_file_is_told(tmp_path: Path, change: object, told: str) -> None:
    """A missing or changed file is reported by name."""
    found = incident(tmp_path)
    asked(found, "y" * 5000)
    change(tmp_path / "output" / "0001-body.txt")  # type: ignore[operator]
    assert [told in problem for problem in problems(found)] == [True]


@pytest.mark.parametrize("name", ["../0001-body.txt", "/etc/passwd", "output/../x", "javascript:alert(1)", 7, None, ""])
def test_name_from_a_forged_journal_is_not_followed(tmp_path: Path, name: object) -> None:
    """A file name from a forged journal that the runbook would not write is neither read nor linked."""
    entry = {"kind": "command", "stdout": {"file": name, "sha256": "0" * 64}}
    assert not is_output(name)
    assert check_outputs([entry], tmp_path)[1] == [f"{str(name)!r} is not a file that the runbook would write"]
