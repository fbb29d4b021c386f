"""Orphaned commands of a killed run: waited for until their deadline, then stopped, and recorded."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, ActionName
from runbook.hosts.command import Begun, Command, NullRecorder
from runbook.hosts.local import LocalHost
from runbook.hosts.process import process_start
from runbook.incident import orphaned_command as module
from runbook.incident.executor import Executor, Mode
from runbook.incident.orphaned_command import settle
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor

ROOT = Path(__file__).parents[3]


def journal(folder: Path, script: str, deadline: float, **more: Any) -> tuple[Journal, subprocess.Popen[bytes]]:
    """Return a journal in which `script` began, and its process, in a process group of its own."""
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    found = Journal(folder / "journal.jsonl", Redactor())
    incident = Executor("i", Mode.EXECUTE, found)
    with incident.acting():
        after = ("touch", str(folder / "cleaned"))
        begun = Begun(process.pid, process_start(process.pid), *LocalHost({}, NullRecorder()).machine())
        incident.command_began(Command(("sh", "-c", script), deadline, if_stopped=after), begun)
    found.entries[-1] |= more
    return found, process


def settled(found: Journal) -> list[dict[str, Any]]:
    settle(found, lambda _text: None, LocalHost({}, NullRecorder()))
    return [entry for entry in found.entries if entry["kind"] == "left behind"]


def test_it_may_come_to_its_end(tmp_path: Path) -> None:
    """A command that ends before its deadline is not stopped, and the wait is recorded."""
    found, process = journal(tmp_path, "sleep 0.6; touch " + str(tmp_path / "ended"), 20)
    (entry,) = settled(found)
    assert (tmp_path / "ended").exists()
    assert entry["how"] == "came to its end"
    assert 0.3 < entry["seconds"] < 10
    assert not (tmp_path / "cleaned").exists()
    process.wait()


def test_it_is_stopped_at_its_deadline(tmp_path: Path) -> None:
    """A command that does not end is stopped with its child processes, and its cleanup runs."""
    pid = tmp_path / "pid"
    found, process = journal(tmp_path, f"sleep 60 & echo $! > {pid}; wait", 0.3)
    (entry,) = settled(found)
    assert entry["how"] == "was stopped"
    assert process.wait() != 0
    deadline = time.monotonic() + 5
    while process_start(int(pid.read_text())) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process_start(int(pid.read_text())) is None
    assert (tmp_path / "cleaned").exists()


def test_what_it_began_elsewhere_is_ended_though_it_is_gone(tmp_path: Path) -> None:
    """The cleanup runs even if the command is gone, because its container may still run."""
    found, process = journal(tmp_path, "true", 20)
    process.wait()
    (entry,) = settled(found)
    assert entry["how"] == "was gone"
    assert (tmp_path / "cleaned").exists()
    assert len(settled(found)) == 1


def test_command_of_another_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that may not be stopped is recorded as such, and raises no error."""

    def refuse(_group: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    found, process = journal(tmp_path, "sleep 60", 0.1)
    monkeypatch.setattr(module, "_GRACE", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse)
        (entry,) = settled(found)
    assert entry["how"] == "could not be stopped"
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"host": "elsewhere"}, id="on-another-machine"),
        pytest.param({"boot": "another"}, id="before-the-machine-was-started-again"),
        pytest.param({"started": "1", "if_stopped": []}, id="number-given-again"),
    ],
)
def test_strangers_are_left_alone(tmp_path: Path, more: dict[str, Any]) -> None:
    """A process that only has the recorded PID is neither waited for nor stopped."""
    found, process = journal(tmp_path, "sleep 60", 0.1, **more)
    assert settled(found) == []
    assert process.poll() is None
    process.kill()
    process.wait()


def test_command_that_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    """After a command that ended in its run there is nothing to wait for."""
    incident = Executor("i", Mode.EXECUTE, Journal(tmp_path / "journal.jsonl", Redactor()))
    incident.execute(Action(ActionName.BRING_UP, "s", (Command(("true",), 5),)), LocalHost({}, incident))
    assert [entry["kind"] for entry in incident.journal.entries][1] == "command began"
    assert settled(incident.journal) == []


def test_command_of_a_lost_host_is_looked_for(tmp_path: Path) -> None:
    """A command that may still run after a lost connection is waited for and stopped as after a kill."""
    found, process = journal(tmp_path, "sleep 60", 0.3)
    incident = Executor("i", Mode.EXECUTE, found)
    # As after a lost connection: the command is given up, and its cleanup does not begin either.
    incident.command_stopped(Command(("touch", str(tmp_path / "cleaned")), 1), "no connection")
    incident.command_stopped(Command(("sh", "-c", "sleep 60"), 1), "the connection was lost", at_large=True)
    (entry,) = settled(found)
    assert (entry["how"], entry["process"]) == ("was stopped", process.pid)
    assert (tmp_path / "cleaned").exists()
    process.wait()
    assert len(settled(found)) == 1


def test_reading_is_not_put_on_record_as_it_begins(tmp_path: Path) -> None:
    """A command that only reads is recorded at its end, not when it begins."""
    incident = Executor("i", Mode.EXECUTE, Journal(tmp_path / "journal.jsonl", Redactor()))
    LocalHost({}, incident).run(Command(("true",), 5))
    assert [entry["kind"] for entry in incident.journal.entries] == ["command"]
    assert "process" not in json.dumps(incident.journal.entries)


def test_command_outlives_its_run(tmp_path: Path) -> None:
    """A command whose run is killed runs to its end, also if it still prints something."""
    script = f"echo begun; touch {tmp_path}/begun; sleep 0.5; echo still here; echo and here >&2; touch {tmp_path}/done"
    command = f"Command(('sh', '-c', {script!r}), 20)"
    code = f"from tests.support.parts import Command, host; host().run({command})"
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    assert there_within(tmp_path / "begun", 20)
    run.kill()
    run.wait()
    assert there_within(tmp_path / "done", 10)


def there_within(path: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()
