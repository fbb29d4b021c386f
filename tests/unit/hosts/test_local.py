"""Commands on the local production host: deadlines, a clean environment, and a record of each."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runbook.errors import CommandFailed, CommandSaidTooMuch, CommandTimedOut, HostError
from runbook.hosts.command import Begun, Command
from runbook.hosts.local import LocalHost
from runbook.hosts.process import ManagedProcess
from runbook.hosts.signals import signals_blocked
from tests.support.parts import Heard, host


def shell(script: str, deadline: float = 10) -> Command:
    return Command(("sh", "-c", script), deadline)


def gone(pid: int) -> bool:
    """Return whether the process has ended; a zombie has ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return gone(pid)


def test_command_ends_with_code_and_both_streams() -> None:
    """A command gives its exit code and both streams as bytes, and is recorded once."""
    heard = Heard()
    done = host(heard).run(shell("printf 'out\\377'; printf err >&2; exit 7"))
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\xff", b"err")
    assert done.text == "out\N{REPLACEMENT CHARACTER}"
    assert heard.ended == [done]
    assert heard.stopped == []


def test_argv_reaches_the_command_as_it_is() -> None:
    """No shell reads the arguments: spaces, quotes and dollars arrive unchanged."""
    nasty = ("a b", "$HOME", "`id`", "'\"", "*", "")
    done = host().run(Command((sys.executable, "-c", "import sys; print(sys.argv[1:])", *nasty), 10))
    assert done.text.strip() == repr(list(nasty))


def test_command_is_written_as_one_would_type_it() -> None:
    """A recorded command can be pasted into a shell."""
    assert str(Command(("psql", "--command", "SELECT 1"), 1)) == "psql --command 'SELECT 1'"


def test_stdin_is_fed(tmp_path: Path) -> None:
    """Standard input arrives whole, even if it is larger than a pipe's buffer."""
    fed = bytes(range(256)) * 4096
    host().check(Command(("dd", f"of={tmp_path / 'got'}", "status=none"), 10, stdin=fed))
    assert (tmp_path / "got").read_bytes() == fed


def test_without_stdin_nothing_is_read_from_the_terminal() -> None:
    """A command without standard input reads nothing and does not wait for a person."""
    assert host().run(Command(("cat",), 10)).stdout == b""


def test_directory_is_where_it_runs(tmp_path: Path) -> None:
    """A command runs in its directory."""
    assert host().run(Command(("pwd",), 10, str(tmp_path))).text.strip() == str(tmp_path.resolve())


def test_exported_tag_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported IMAGE_TAG and COMPOSE_* do not reach a command; PATH, HOME and the settings' variables do."""
    monkeypatch.setenv("IMAGE_TAG", "exported-an-hour-ago")
    monkeypatch.setenv("COMPOSE_FILE", "elsewhere.yml")
    monkeypatch.setenv("HOME", "/home/somebody")
    seen = host(environment={"DOCKER_CONFIG": "/etc/shop"}).run(Command(("env",), 10)).text.splitlines()
    assert not [line for line in seen if line.startswith(("IMAGE_TAG=", "COMPOSE_"))]
    assert f"PATH={os.environ['PATH']}" in seen
    assert "HOME=/home/somebody" in seen
    assert "DOCKER_CONFIG=/etc/shop" in seen


def test_check_raises_with_the_last_words() -> None:
    """A failed command is reported with its exit code and the last non-empty line of standard error."""
    with pytest.raises(CommandFailed, match="exit code 3: no space left") as caught:
        host().check(shell("echo output; echo warning >&2; echo 'no space left' >&2; echo >&2; exit 3"))
    assert "record" in caught.value.next_step


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("echo only here; exit 1", "only here", id="output-when-there-is-no-error"),
        pytest.param("exit 1", "it printed nothing", id="nothing"),
    ],
)
def test_last_words_are_found(script: str, words: str) -> None:
    """The last line of a failed command comes from standard output if standard error is empty."""
    assert host().run(shell(script)).last_line == words


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        pytest.param(Command(("no-such-program-4711",), 5), "no-such-program-4711", id="program"),
        pytest.param(Command(("true",), 5, "/no/such/folder"), "/no/such/folder", id="directory"),
        pytest.param(Command(("/dev/null",), 5), "/dev/null", id="not-executable"),
    ],
)
def test_what_cannot_start_is_told(command: Command, missing: str) -> None:
    """A command that cannot start is recorded as stopped, and the error names the missing program or directory."""
    heard = Heard()
    with pytest.raises(HostError, match=missing):
        host(heard).run(command)
    assert [stopped for stopped, _ in heard.stopped] == [command]
    assert heard.ended == []


def test_want_of_open_files_is_told() -> None:
    """If this machine can open no more files, the command is reported as not started."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_free = os.dup(0)
    os.close(next_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, limits[1]))
    try:
        with pytest.raises(HostError, match="could not be started: Too many open files"):
            host().run(shell("true"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Deaf(Heard):
    """A recorder whose terminal fails when the first command begins."""

    def command_began(self, command: Command, begun: Begun) -> None:
        super().command_began(command, begun)
        if len(self.began) == 1:
            raise OSError(errno.EIO, "Input/output error")


def test_command_that_cannot_be_followed_is_stopped(tmp_path: Path) -> None:
    """An OSError after the start stops the command, runs its cleanup, and is not called a failed start."""
    heard, cleaned = Deaf(), tmp_path / "cleaned"
    command = Command(("sleep", "60"), 60, if_stopped=("touch", str(cleaned)))
    with pytest.raises(HostError, match="was stopped because its output could not be read: Input/output error"):
        host(heard).run(command)
    assert cleaned.exists()
    assert [stopped for stopped, _ in heard.stopped] == [command]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("head -c 600M /dev/zero", id="standard-output"),
        pytest.param("head -c 600M /dev/zero >&2", id="standard-error"),
        pytest.param("trap '' XFSZ; while :; do head -c 100M /dev/zero; done", id="it-does-not-listen"),
    ],
)
def test_command_that_prints_too_much_is_stopped(script: str) -> None:
    """A command that prints too much is stopped soon, and recorded with the reason."""
    heard, began = Heard(), time.monotonic()
    with pytest.raises(CommandSaidTooMuch, match="printed more than 1000000 bytes"):
        host(heard).run(replace(shell(script, deadline=30), most_output=1_000_000))
    assert [why for _, why in heard.stopped] == ["stopped because it printed more than 1000000 bytes"]
    assert time.monotonic() - began < 10


def test_what_is_printed_above_the_limit_is_never_held() -> None:
    """The kernel limits the output, so a fast command fills no memory between two checks."""
    with ManagedProcess(("head", "-c", "600M", "/dev/zero"), dict(os.environ), None, None, 1_000_000) as started:
        started.begin()
        assert started.wait(10)
        # Output from before the kernel had the limit is included.
        assert 1_000_001 <= len(started.output()[0]) < 100_000_000
        assert started.exceeded_output()


def test_output_up_to_the_limit_is_heard() -> None:
    """Output of exactly the limit is allowed, for each of the two streams."""
    command = replace(shell("printf 12345; printf 67890 >&2"), most_output=5)
    assert host().run(command).text == "12345"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo $$ > PIDS; sleep 60", id="the-command"),
        pytest.param("sh -c 'echo $$ > PIDS; sleep 60; true'; true", id="child-of-a-shell"),
        pytest.param(
            "sh -c \"trap '' TERM; echo \\$\\$ > PIDS; sleep 60; true\" > /dev/null 2>&1 & sleep 60",
            id="child-that-says-nothing",
        ),
    ],
)
def test_deadline_stops_the_whole_group(tmp_path: Path, script: str) -> None:
    """At its deadline a command and all its children are stopped, by force if necessary, and soon."""
    pids, heard = tmp_path / "pids", Heard()
    command = shell(script.replace("PIDS", str(pids)), deadline=0.3)
    began = time.monotonic()
    with pytest.raises(CommandTimedOut, match=r"did not end within 0\.3 s") as caught:
        host(heard).run(command)
    assert time.monotonic() - began < 6.3
    assert gone_within(int(pids.read_text()), 1)
    assert "deadlines" in caught.value.next_step
    assert [(stopped, why) for stopped, why in heard.stopped] == [(command, "stopped at its deadline of 0.3 s")]


def test_children_that_obey_nobody_do_not_hold_us(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed; one in another session, with our pipes, is left running."""
    stubborn, fled = tmp_path / "stubborn", tmp_path / "fled"
    script = (
        f"sh -c \"trap '' TERM; echo \\$\\$ > {stubborn}; sleep 60; true\" &"
        f"setsid sh -c 'echo $$ > {fled}; sleep 60' & sleep 60"
    )
    began = time.monotonic()
    try:
        with pytest.raises(CommandTimedOut):
            host().run(shell(script, deadline=0.5))
        assert time.monotonic() - began < 6.5
        assert gone_within(int(stubborn.read_text()), 1)
        assert not gone(int(fled.read_text()))
    finally:
        os.kill(int(fled.read_text()), signal.SIGKILL)


def test_secret_output_is_marked_for_the_record(tmp_path: Path) -> None:
    """Secret output reaches the caller, and its record is marked as secret."""
    (tmp_path / "secret").write_text("canary")
    heard = Heard()
    command = Command(("cat", str(tmp_path / "secret")), 5, secret_output=True)
    assert host(heard).run(command).text == "canary"
    assert heard.ended[0].command.secret_output


def test_ctrl_c_stops_the_command(tmp_path: Path) -> None:
    """Ctrl-C stops the running command, which is recorded, and raises KeyboardInterrupt."""
    pids, heard = tmp_path / "pids", Heard()
    interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        host(heard).run(shell(f"echo $$ > {pids}; sleep 60"))
    interrupt.join()
    assert gone_within(int(pids.read_text()), 1)
    assert [why for _, why in heard.stopped] == ["interrupted"]


def test_command_survives_ctrl_c_of_the_terminal() -> None:
    """A command has its own session, so Ctrl-C at the terminal does not reach it directly."""
    done = host().run(Command((sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"), 10))
    assert done.text.strip() == "True"


def test_nothing_is_invented_for_commands() -> None:
    """A variable that the runbook's own environment lacks is not invented for commands."""
    script = (
        "from runbook.hosts.command import Command; from tests.support.parts import host;"
        "print(host().run(Command(('/usr/bin/env',), 5)).text)"
    )
    bare = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "IMAGE_TAG": "x"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert "IMAGE_TAG" not in bare.stdout
    assert "PATH=" not in bare.stdout


def test_two_hosts_do_not_share_an_environment() -> None:
    """The variables of one production's settings do not reach commands of another."""
    first, second = LocalHost({"A": "1"}, Heard()), LocalHost({"B": "2"}, Heard())
    assert "A=1" in first.run(Command(("env",), 5)).text
    assert "A=1" not in second.run(Command(("env",), 5)).text


def talking(script: str, deadline: float = 10, stdin: bytes | None = None) -> Command:
    return Command(("sh", "-c", script), deadline, stdin=stdin, streams_progress=True)


class Watch(Heard):
    """A recorder that notes the time of each line."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[float] = []

    def command_progressed(self, command: Command, line: str) -> None:
        super().command_progressed(command, line)
        self.moments.append(time.monotonic())


def test_talking_command_is_heard_while_it_runs() -> None:
    """Each whole line of standard error is reported once, in order, while the command runs; all output is kept."""
    heard = Watch()
    script = "echo one >&2; printf 'tw' >&2; sleep 0.5; echo o >&2; echo not heard; sleep 0.6; printf rest >&2"
    done = host(heard).run(talking(script))
    assert heard.said == ["one", "two"]
    assert heard.began == [done.command]
    assert heard.moments[0] < heard.moments[1] - 0.2
    assert heard.moments[1] < time.monotonic() - 0.2
    assert (done.stdout, done.stderr) == (b"not heard\n", b"one\ntwo\nrest")


def test_talking_command_is_fed_and_held_to_its_deadline() -> None:
    """A command with progress gets its standard input whole, and is stopped at its deadline."""
    heard = Heard()
    fed = b"x" * 300_000
    done = host(heard).run(talking("sleep 0.5; echo up >&2; wc -c", stdin=fed))
    assert done.text.strip() == str(len(fed))
    began = time.monotonic()
    with pytest.raises(CommandTimedOut, match=r"did not end within 0\.5 s"):
        host(heard).run(talking("echo on >&2; sleep 30", deadline=0.5))
    assert time.monotonic() - began < 5
    assert heard.said[-1] == "on"
    assert [why for _, why in heard.stopped] == ["stopped at its deadline of 0.5 s"]


def test_command_that_does_not_talk_is_not_heard() -> None:
    """A command without `streams_progress` reports no lines while it runs."""
    heard = Heard()
    host(heard).run(shell("echo one >&2; sleep 0.4; echo two >&2"))
    assert heard.said == []


def test_command_of_a_thread_beside_hears_signals() -> None:
    """A command does not inherit the blocked signals of the thread that starts it."""
    found: list[str] = []

    def beside() -> None:
        found.append(host().run(shell("grep SigBlk /proc/self/status")).text)

    with signals_blocked():
        thread = threading.Thread(target=beside)
        thread.start()
    thread.join()
    assert found[0].split() == ["SigBlk:", "0" * 16]


_HELD_BACK = """
import os, signal, threading, time
from runbook.hosts.command import Command
from runbook.hosts.signals import signals_blocked
from tests.support.parts import host

over = threading.Event()


def beside():
    while not over.is_set():
        host().run(Command(("true",), 5))


with signals_blocked():
    thread = threading.Thread(target=beside)
    thread.start()
raised = outside = 0
for _ in range(100):
    inside = False
    try:
        with signals_blocked():
            inside = True
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.005)
            inside = False
        time.sleep(0.005)
    except KeyboardInterrupt:
        raised += inside
        outside += not inside
over.set()
thread.join()
print(raised, outside)
"""


def test_signals_that_are_held_back_are_not_taken_by_a_command_beside() -> None:
    """A signal that the main thread blocks is not raised there, even while another thread starts commands."""
    # In a separate process, because a thread left by another test would take the signals too.
    done = subprocess.run(
        [sys.executable, "-c", _HELD_BACK],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "0 100\n"


def test_nothing_begins_after_it_was_stopped(tmp_path: Path) -> None:
    """A process that a signal stopped before it began does not begin later."""
    with ManagedProcess(("touch", str(tmp_path / "begun")), os.environ, None, None) as started:
        assert not started.stop()
        with pytest.raises(OSError, match="did not start"):
            started.begin()
    time.sleep(0.2)
    assert not (tmp_path / "begun").exists()


def test_process_that_ended_before_it_had_a_group_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ended before it had its own process group is collected."""

    def no_group(_group: int, _number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", no_group)
    with ManagedProcess(("true",), os.environ, None, None) as started:
        started.begin()
        assert started.stop()
        assert started.exit_code == 0
