"""`python -m runbook unlock`: who holds the lock is told; it is taken away only by force, with a reason, on record."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runbook.__main__ import main
from runbook.incident.journal import verify
from runbook.lock import Holder
from tests.unit.parts import SETTINGS
from tests.unit.test_lock import leave, path

SECRET = "canary/4711 & sons"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The settings of a production in a folder of this machine."""
    server = tmp_path / "server"
    server.mkdir()
    written = tmp_path / "runbook.toml"
    written.write_text(SETTINGS.replace("/srv/shop", str(server)))
    return written


def unlock(settings: Path, *arguments: str) -> int:
    reports = settings.with_name("reports")
    return main(["unlock", "--settings", str(settings), "--reports", str(reports), *arguments])


def held(settings: Path, **more: str) -> Path:
    """A lock that another machine holds; its file."""
    server = settings.with_name("server")
    leave(server, replace(Holder.me("i-1"), host="elsewhere", **more), age=100)
    return path(server)


def test_free_lock_is_said_to_be_free(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody holds it there is nothing to do, with force or without, and no record is left."""
    assert unlock(settings) == 0
    assert unlock(settings, "--force", "--why", "to be sure") == 0
    assert capsys.readouterr().out == "nobody holds the lock of shop\n" * 2
    assert not settings.with_name("reports").exists()


def test_holder_is_told_and_kept(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --force it says who holds it and what to type, and takes nothing away."""
    lock = held(settings)
    assert unlock(settings) == 1
    said = capsys.readouterr().err
    assert "incident i-1 of" in said
    assert "on elsewhere" in said
    assert "pytest features --resume i-1 --execute shop" in said
    assert lock.exists()


@pytest.mark.parametrize("why", [(), ("--why", " ")])
def test_force_needs_a_reason(settings: Path, why: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """--force without a reason is refused."""
    lock = held(settings)
    assert unlock(settings, "--force", *why) == 1
    assert "--force without --why" in capsys.readouterr().err
    assert lock.exists()


def test_force_is_on_record(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forced, it is free; who did it and why stands in a record of its own and beside it on the host, redacted."""
    monkeypatch.setenv("TICKET_TOKEN", SECRET)
    lock = held(settings)
    assert unlock(settings, "--force", "--why", f"the laptop with {SECRET} is lost") == 0
    assert not lock.exists()
    (folder,) = settings.with_name("reports").iterdir()
    found = verify(folder / "journal.jsonl")
    assert found.whole, found.problem
    (decision,) = [entry for entry in found.entries if entry["kind"] == "decision"]
    assert "the laptop with [secret" in decision["evidence"][0]
    assert [entry["state"] for entry in found.entries if entry["kind"] == "change"] == ["begun", "done"]
    assert "The lock was taken away" in (folder / "record.html").read_text()
    line = json.loads((lock.parent / "unlocked.jsonl").read_text())
    assert (line["incident"], line["held"]["incident"]) == (folder.name, "i-1")
    everything = capsys.readouterr().out + (folder / "journal.jsonl").read_text() + (folder / "record.html").read_text()
    assert SECRET not in everything + json.dumps(line)
