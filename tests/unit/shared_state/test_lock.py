"""The lock on the production host: one holder at a time, heartbeats by the host's clock, and abandoned locks."""

import fcntl
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from runbook.errors import CommandFailed, Inconclusive, LockHeld, LockLost
from runbook.hosts.process import process_start
from runbook.shared_state import lock as module
from runbook.shared_state.lock import ABANDONED_AFTER, Heartbeat, Holder, Lock
from tests.support.parts import production


def lock_of(folder: Path) -> Lock:
    return Lock(production(folder))


def path(folder: Path) -> Path:
    return folder / ".runbook" / "lock"


def leave(folder: Path, holder: Holder, *, age: int = 0) -> None:
    """Write a lock of `holder` whose last heartbeat is `age` seconds old."""
    path(folder).parent.mkdir(exist_ok=True)
    path(folder).write_text(json.dumps(asdict(holder)) + "\n")
    then = time.time() - age
    os.utime(path(folder), (then, then))


@pytest.fixture
def gone() -> Holder:
    """A holder on this machine whose process has ended."""
    ended = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    started = process_start(ended.pid)
    ended.communicate()
    assert started is not None
    return replace(Holder.this_process("i-dead"), process=ended.pid, started=started)


def test_nobody_holds_it_at_first(tmp_path: Path) -> None:
    """On a host without `.runbook/` the lock is free, and observing it creates nothing."""
    assert lock_of(tmp_path).observe() is None
    assert list(tmp_path.iterdir()) == []


def test_who_holds_it_is_seen_by_all(tmp_path: Path) -> None:
    """A taken lock shows its holder to everyone, and is free after its release."""
    lock = lock_of(tmp_path)
    assert lock.take("i-1", str) is None
    held = lock_of(tmp_path).observe()
    assert held is not None
    assert held.holder == lock.holder
    assert (held.holder.incident, held.holder.process) == ("i-1", os.getpid())
    assert held.age <= 1
    assert not held.abandoned
    lock.release()
    assert lock_of(tmp_path).observe() is None


def test_second_run_is_refused_by_name(tmp_path: Path) -> None:
    """A second run is refused with the holder's incident and owner, and does not change the lock."""
    lock_of(tmp_path).take("i-1", str)
    before = path(tmp_path).read_bytes()
    with pytest.raises(LockHeld, match=r"another run is changing this production: incident i-1 of .* on .*, since"):
        lock_of(tmp_path).take("i-2", str)
    assert path(tmp_path).read_bytes() == before


def test_own_incident_does_not_let_a_second_run_in_either(tmp_path: Path) -> None:
    """While a run is alive, a second run of the same incident is refused too."""
    lock_of(tmp_path).take("i-1", str)
    with pytest.raises(LockHeld, match="another run"):
        lock_of(tmp_path).take("i-1", str)


def test_only_one_of_many_at_the_same_moment_gets_it(tmp_path: Path) -> None:
    """Of six processes that try at the same moment, one gets the lock and the others are refused."""
    script = (
        "import sys; from pathlib import Path; from tests.unit.shared_state.test_lock import lock_of\n"
        "from runbook.errors import LockHeld\n"
        "lock = lock_of(Path(sys.argv[1])); sys.stdin.readline()\n"
        "try: lock.take(sys.argv[2], str); print('got it', flush=True); sys.stdin.readline()\n"
        "except LockHeld as error: print('refused', flush=True)\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    crowd = [
        subprocess.Popen([*argv, f"i-{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in range(6)
    ]
    for one in crowd:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [str(one.stdout.readline()).strip() if one.stdout else "" for one in crowd]
    for one in crowd:
        one.communicate("end\n", timeout=20)
    assert sorted(said) == ["got it", *["refused"] * 5]


@pytest.mark.parametrize("age", [ABANDONED_AFTER + 2, 100_000])
def test_lock_without_signs_of_life_is_abandoned(tmp_path: Path, age: int) -> None:
    """A lock of another machine without heartbeats for too long is abandoned; the error has the incident to resume."""
    leave(tmp_path, replace(Holder.this_process("i-dead"), host="elsewhere"), age=age)
    with pytest.raises(LockHeld, match="abandoned by incident i-dead") as refused:
        lock_of(tmp_path).take("i-2", str)
    assert refused.value.next_step == "i-dead"


def test_process_that_is_gone_needs_no_silence(tmp_path: Path, gone: Holder) -> None:
    """On the holder's own machine, an ended process is detected at once, and its incident takes the lock over."""
    leave(tmp_path, gone)
    held = lock_of(tmp_path).observe()
    assert held is not None
    assert "its process has ended" in str(held)
    lock = lock_of(tmp_path)
    taken_over = lock.take("i-dead", str)
    assert taken_over is not None
    assert taken_over.holder == gone
    now = lock_of(tmp_path).observe()
    assert now is not None
    assert now.holder.process == os.getpid()


def test_number_that_was_given_again_is_not_the_same_process(tmp_path: Path) -> None:
    """A process with a reused PID is not the holder, because its start time differs."""
    leave(tmp_path, replace(Holder.this_process("i-dead"), started="1"))
    held = lock_of(tmp_path).observe()
    assert held is not None
    assert held.abandoned


def test_machine_that_cannot_be_asked_counts_as_alive(tmp_path: Path) -> None:
    """A holder on another machine counts as alive until its heartbeats stop for too long."""
    leave(tmp_path, replace(Holder.this_process("i-1"), host="elsewhere", started="1"), age=ABANDONED_AFTER - 5)
    held = lock_of(tmp_path).observe()
    assert held is not None
    assert not held.abandoned


def test_signs_of_life_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats update the lock's time, and leave its content unchanged."""
    monkeypatch.setattr(module, "SIGN_OF_LIFE", 0.05)
    lock = lock_of(tmp_path)
    lock.take("i-1", str)
    content = path(tmp_path).read_bytes()
    os.utime(path(tmp_path), (0, 0))
    heartbeat = Heartbeat(lock)
    heartbeat.start()
    deadline = time.monotonic() + 10
    while path(tmp_path).stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    heartbeat.stop()
    assert path(tmp_path).stat().st_mtime > 0
    assert path(tmp_path).read_bytes() == content


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread")])
def test_signs_of_life_go_on_after_any_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """After an error in one heartbeat, the next one is still sent."""
    monkeypatch.setattr(module, "SIGN_OF_LIFE", 0.05)
    lock = lock_of(tmp_path)
    lock.take("i-1", str)
    keep, kept = lock.heartbeat, threading.Event()
    answers = iter([error])

    def short_of_everything() -> None:
        for found in answers:
            raise found
        keep()
        kept.set()

    monkeypatch.setattr(lock, "heartbeat", short_of_everything)
    heartbeat = Heartbeat(lock)
    heartbeat.start()
    assert kept.wait(5)
    heartbeat.stop()


def test_process_in_another_container_cannot_be_asked_about(tmp_path: Path) -> None:
    """In another PID namespace the holder's PID says nothing; only missing heartbeats count."""
    script = (
        "import json; from dataclasses import asdict; from runbook.shared_state.lock import Holder\n"
        "print(json.dumps(asdict(Holder.this_process('i-1'))))"
    )
    apart = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
    made = subprocess.run(apart, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no PID namespace can be made here: {made.stderr}")
    leave(tmp_path, Holder(**json.loads(made.stdout)))
    held = lock_of(tmp_path).observe()
    assert held is not None
    assert not held.abandoned


def test_lock_that_was_taken_away_is_not_kept_nor_let_go_of(tmp_path: Path) -> None:
    """A run that lost its lock is told at its next heartbeat, and neither refreshes nor releases the other's lock."""
    lock = lock_of(tmp_path)
    lock.take("i-1", str)
    leave(tmp_path, Holder.this_process("i-2"), age=20)
    with pytest.raises(LockLost, match="lost its lock: incident i-2"):
        lock.heartbeat()
    lock.release()
    held = lock_of(tmp_path).observe()
    assert held is not None
    assert held.holder.incident == "i-2"
    assert held.age >= 20


def test_lock_that_vanished_is_lost(tmp_path: Path) -> None:
    """A lock that was removed by hand is lost, and a heartbeat does not create it again."""
    lock = lock_of(tmp_path)
    lock.take("i-1", str)
    path(tmp_path).unlink()
    with pytest.raises(LockLost, match="nobody holds it"):
        lock.heartbeat()
    assert not path(tmp_path).exists()


@pytest.mark.parametrize("content", ["", "{}", "nonsense\n", '["x"]', '{"owner": "x"}', "\x00\xff", "[" * 100_000])
def test_unreadable_lock_is_not_free(tmp_path: Path, content: str) -> None:
    """An unreadable lock is inconclusive, and does not count as free."""
    path(tmp_path).parent.mkdir()
    path(tmp_path).write_text(content, encoding="latin-1")
    with pytest.raises(Inconclusive, match="cannot be read"):
        lock_of(tmp_path).take("i-1", str)


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """If the lock cannot be written, taking it fails, so that no run begins without one."""
    (tmp_path / ".runbook").write_text("a file in the way")
    with pytest.raises(CommandFailed, match="File exists"):
        lock_of(tmp_path).take("i-1", str)


def test_folder_that_another_command_holds_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If flock(1) times out, the error says what holds up the lock, and a command that shows the process."""
    monkeypatch.setattr(module, "_FLOCK_WAIT", 1)
    (tmp_path / ".runbook").mkdir()
    held = os.open(tmp_path / ".runbook", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Inconclusive) as stopped:
            lock_of(tmp_path).take("i-1", str)
        command = stopped.value.next_step.partition(" type ")[2].partition(" on the production host")[0]
        shown = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
    finally:
        os.close(held)
    seen = f"another process has held flock(1) on {tmp_path}/.runbook for 1 s, where a moment was expected"
    assert stopped.value.seen == f"{seen}: the lock {path(tmp_path)} is unchanged"
    assert any(str(os.getpid()) in line for line in shown.splitlines())
    assert not path(tmp_path).exists()
