"""What a killed run left at work: waited for within its deadline, stopped then, and put on record."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runbook.host import Command, Host
from runbook.incident.incident import Incident, Mode
from runbook.incident.journal import Journal
from runbook.incident.left_behind import settle
from runbook.incident.redaction import Redactor
from runbook.process import start_of
from runbook.sentence import Change

ROOT = Path(__file__).parents[2]


def journal(folder: Path, script: str, deadline: float, **more: Any) -> tuple[Journal, subprocess.Popen[bytes]]:
    """A journal that says that `script` began, and that process, in a group of its own as the host starts it."""
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    found = Journal(folder / "journal.jsonl", Redactor())
    incident = Incident("i", Mode.EXECUTE, found)
    with incident.acting():
        incident.command_began(Command(("sh", "-c", script), deadline), process.pid)
    found.entries[-1] |= more
    return found, process


def settled(found: Journal) -> list[dict[str, Any]]:
    settle(found, lambda _text: None)
    return [entry for entry in found.entries if entry["kind"] == "left behind"]


def test_it_may_come_to_its_end(tmp_path: Path) -> None:
    """A command that ends within the deadline that it had is let be, and the wait is on record."""
    found, process = journal(tmp_path, "sleep 0.6; touch " + str(tmp_path / "ended"), 20)
    (entry,) = settled(found)
    assert (tmp_path / "ended").exists()
    assert entry["how"] == "came to its end"
    assert 0.3 < entry["seconds"] < 10
    process.wait()


def test_it_is_stopped_at_its_deadline(tmp_path: Path) -> None:
    """One that does not end is stopped with all that it began."""
    pid = tmp_path / "pid"
    found, process = journal(tmp_path, f"sleep 60 & echo $! > {pid}; wait", 0.3)
    (entry,) = settled(found)
    assert entry["how"] == "was stopped"
    assert process.wait() != 0
    deadline = time.monotonic() + 5
    while start_of(int(pid.read_text())) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert start_of(int(pid.read_text())) is None


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"host": "elsewhere"}, id="on-another-machine"),
        pytest.param({"started": "1"}, id="number-given-again"),
    ],
)
def test_strangers_are_left_alone(tmp_path: Path, more: dict[str, str]) -> None:
    """A process that only has the same number is not waited for, and never stopped."""
    found, process = journal(tmp_path, "sleep 60", 0.1, **more)
    assert settled(found) == []
    assert process.poll() is None
    process.kill()
    process.wait()


def test_command_that_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    """After a run in which the command came to its end there is nothing to wait for."""
    incident = Incident("i", Mode.EXECUTE, Journal(tmp_path / "journal.jsonl", Redactor()))
    incident.carry_out(Change("s", (Command(("true",), 5),)), Host({}, incident))
    assert [entry["kind"] for entry in incident.journal.entries][1] == "command began"
    assert settled(incident.journal) == []


def test_reading_is_not_put_on_record_as_it_begins(tmp_path: Path) -> None:
    """Only what changes something is written down before it ends: a look that died did no harm."""
    incident = Incident("i", Mode.EXECUTE, Journal(tmp_path / "journal.jsonl", Redactor()))
    Host({}, incident).run(Command(("true",), 5))
    assert [entry["kind"] for entry in incident.journal.entries] == ["command"]
    assert "process" not in json.dumps(incident.journal.entries)


def test_command_outlives_its_run(tmp_path: Path) -> None:
    """When the run is killed under a command, the command comes to its end, also if it has something to say."""
    script = f"echo begun; touch {tmp_path}/begun; sleep 0.5; echo still here; echo and here >&2; touch {tmp_path}/done"
    command = f"Command(('sh', '-c', {script!r}), 20)"
    code = f"from tests.unit.parts import Command, host; host().run({command})"
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
