"""`python -m runbook unlock`: shows the lock's holder, and removes the lock with --force, a reason and a record."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.cli.main import main
from runbook.incident.executor import Executor
from runbook.journal.verify import verify
from runbook.shared_state.lock import Holder
from tests.support.incident_parts import production
from tests.support.journal_schema import problems
from tests.support.parts import SETTINGS, Heard
from tests.unit.shared_state.test_lock import leave, path

SECRET = "canary/4711 & sons"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a production in a local folder. Compose reads its env file, and no engine answers."""
    server = tmp_path / "server"
    server.mkdir()
    production(tmp_path, Heard())
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    written = tmp_path / "runbook.toml"
    written.write_text(SETTINGS.replace("/srv/shop", str(server)))
    return written


def unlock(settings: Path, *arguments: str) -> int:
    reports = settings.with_name("reports")
    return main(["unlock", "--settings", str(settings), "--reports", str(reports), *arguments])


def held(settings: Path, **more: str) -> Path:
    """Create a lock held by another machine, and return its file."""
    server = settings.with_name("server")
    leave(server, replace(Holder.this_process("i-1"), host="elsewhere", **more), age=100)
    return path(server)


def test_free_lock_is_said_to_be_free(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A free lock is reported as free, with or without --force, and no record is made."""
    assert unlock(settings) == 0
    assert unlock(settings, "--force", "--why", "to be sure") == 0
    assert capsys.readouterr().out == "nobody holds the lock of shop\n" * 2
    assert not settings.with_name("reports").exists()


def test_holder_is_told_and_kept(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --force the holder and the command to type are shown, and the lock stays."""
    lock = held(settings)
    assert unlock(settings) == 1
    said = capsys.readouterr().err
    assert "incident i-1 of" in said
    assert "on elsewhere" in said
    assert "--resume i-1 --execute shop" in said
    assert lock.exists()


@pytest.mark.parametrize("why", [(), ("--why", " ")])
def test_force_needs_a_reason(settings: Path, why: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """--force without a reason is refused, and the lock stays."""
    lock = held(settings)
    assert unlock(settings, "--force", *why) == 1
    assert "--force without --why" in capsys.readouterr().err
    assert lock.exists()


def test_force_is_on_record(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--force removes the lock. The operator's reason is in a record and in a file on the host, redacted."""
    (settings.with_name("server") / ".env").write_text(f'ORDERS_PASSWORD="{SECRET}"\n')
    lock = held(settings)
    assert unlock(settings, "--force", "--why", f"the laptop with {SECRET} is lost") == 0
    assert not lock.exists()
    (folder,) = settings.with_name("reports").glob("*/")
    found = verify(folder / "journal.jsonl")
    assert found.whole, found.problem
    assert problems(folder / "journal.jsonl") == []
    (decision,) = [entry for entry in found.entries if entry["kind"] == "decision"]
    assert "the laptop with [secret" in decision["evidence"][0]
    assert [entry["state"] for entry in found.entries if entry["kind"] == "action"] == ["begun", "done"]
    assert "The lock was removed" in (folder / "record.html").read_text()
    line = json.loads((lock.parent / "unlocked.jsonl").read_text())
    assert (line["incident"], line["held"]["incident"]) == (folder.name, "i-1")
    everything = capsys.readouterr().out + (folder / "journal.jsonl").read_text() + (folder / "record.html").read_text()
    assert SECRET not in everything + json.dumps(line)


def test_text_from_the_host_is_cleaned(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text of the lock file is shown escaped and redacted."""
    (settings.with_name("server") / ".env").write_text(f'ORDERS_PASSWORD="{SECRET}"\n')
    held(settings, owner=f"\x1b]0;title\x07 {SECRET}\nrunbook: all is well")
    assert unlock(settings) == 1
    assert unlock(settings, "--force", "--why", "it is lost") == 0
    streams = capsys.readouterr()
    assert "\\u001b]0;title\\u0007 [secret" in streams.out
    assert "\\u001b]0;title\\u0007 [secret" in streams.err
    assert SECRET not in streams.out + streams.err
    assert "\x1b" not in streams.out + streams.err
    assert "\nrunbook: all" not in streams.out + streams.err


def test_lock_that_changed_hands_is_left(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If another run takes the lock during --force, that run is named, and the lock stays."""
    lock = held(settings)
    record_decision = Executor.record_decision

    def late(incident: Executor, *said: Any, **more: Any) -> None:
        leave(settings.with_name("server"), replace(Holder.this_process("i-2"), host="elsewhere"))
        record_decision(incident, *said, **more)

    monkeypatch.setattr(Executor, "record_decision", late)
    assert unlock(settings, "--force", "--why", "it is lost") == 1
    assert "changed hands meanwhile: it is held by incident i-2" in capsys.readouterr().err
    assert lock.exists()
    assert not (lock.parent / "unlocked.jsonl").exists()


@pytest.mark.parametrize("name", ["i-shop-emergency", "i-shop-emergency-2"])
def test_emergency_is_gone_on_with_by_its_mark(settings: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """For an emergency the command to resume has `-m emergency`."""
    held(settings, incident=name)
    assert unlock(settings) == 1
    assert f"-m emergency --resume {name} --execute shop" in capsys.readouterr().err


def test_places_are_repeated_in_what_to_type(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command to type repeats the settings and the reports folder only if they were given."""
    held(settings)
    unlock(settings)
    reports = settings.with_name("reports")
    places = shlex.join(["--settings", str(settings), "--reports", str(reports)])
    assert f"python -m runbook unlock {places} --force --why" in capsys.readouterr().err
    main(["unlock", "--settings", str(settings)])
    assert f"unlock {shlex.join(['--settings', str(settings)])} --force --why" in capsys.readouterr().err


def test_second_record_of_one_second_gets_a_name_of_its_own(settings: Path) -> None:
    """A second record of one second gets a numbered name."""
    held(settings)
    reports, now = settings.with_name("reports"), datetime.now(UTC)
    for second in range(60):
        folder = reports / f"{now + timedelta(seconds=second):%Y%m%dT%H%M%SZ}-shop-unlock"
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").touch()
    assert unlock(settings, "--force", "--why", "it is lost") == 0
    (record,) = reports.glob("*-shop-unlock-2")
    assert verify(record / "journal.jsonl").whole
