"""The script at the other end: its quoting, its reports, and that a part of it is never run."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from runbook.hosts.command import Command
from runbook.hosts.ssh import script

MARK = "rb0123456789abcdef"


def run(sent: bytes, shell: str = "sh") -> subprocess.CompletedProcess[bytes]:
    """Run the starter as a login shell does, with `sent` as input, in a separate session like sshd's."""
    argv = [shell, "-c", script.starter(MARK)]
    return subprocess.run(argv, input=sent, capture_output=True, timeout=20, check=False, start_new_session=True)


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "fish", "tcsh", "zsh", "ksh"])
def test_command_arrives_as_it_is(shell: str) -> None:
    """With any login shell, words, environment, directory and standard input arrive, and stderr is unchanged."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    words = ("a b", "'", '"', "$HOME", "`id`", "\\", "*", "é", "", "-n", "!x", "a\nb")
    command = Command(("sh", "-c", 'pwd; printf "<%s>" "$@"; cat; echo "$X" >&2; exit 7', "sh", *words), 5, "/usr",
                      stdin=b"in\0put\n")  # fmt: skip
    sent = script.message(command, {"PATH": "/usr/bin:/bin", "X": "it's\n$(id) é"}, MARK)
    # The lifeline must stay open while the command runs; `run` would end it.
    process = subprocess.Popen(
        [shell, "-c", script.starter(MARK)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(sent)
    process.stdin.flush()
    process.wait(20)
    stderr = process.stderr.read()
    stdout = script.without_greeting(process.stdout.read(), MARK)
    assert stdout.decode() == "/usr\n" + "".join(f"<{word}>" for word in words) + "in\0put\n"
    assert script.without_marks(stderr, MARK).decode() == "it's\n$(id) é\n"
    assert script.ended(stderr, MARK) == script.Ended(7)
    begun = script.begun(stderr, MARK)
    assert begun
    assert (begun.process, begun.host) == (process.pid, subprocess.check_output(["hostname"], text=True).strip())
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_starter_is_always_the_same() -> None:
    """The starter has neither the command nor its environment, and no character that shells read differently."""
    assert script.starter(MARK).startswith(
        'exec sh -c \'exec env -i "PATH=$PATH" sh -c "$0" runbook "$1"\' \'read -r b '
    )
    assert script.starter(MARK).endswith(f"' {MARK}")
    assert script.starter(MARK).count("'") == 4
    assert "\n" not in script.starter(MARK)


def test_what_is_cut_off_is_not_run() -> None:
    """Of a message that is cut off, wherever that is, nothing is run."""
    sent = script.message(Command(("touch", "/tmp/must-not-be-there"), 5), {"PATH": "/usr/bin:/bin"}, MARK)
    for length in (0, 1, sent.index(b"\n"), sent.index(b"\n") + 1, len(sent) // 2, len(sent) - 1):
        done = run(sent[:length])
        assert script.begun(done.stderr, MARK)
        assert script.ended(done.stderr, MARK) is None
        assert script.without_greeting(done.stdout, MARK) == b""


def test_end_of_the_lifeline_stops_it() -> None:
    """When its standard input ends, the command is stopped with all its children."""
    command = Command(("sh", "-c", "sleep 4711 & sleep 4711"), 60)
    done = run(script.message(command, {"PATH": "/usr/bin:/bin"}, MARK))
    assert script.ended(done.stderr, MARK) == script.Ended(None, "stopped")
    assert subprocess.run(["pgrep", "-f", "^sleep 4711$"], capture_output=True, check=False).stdout == b""


@pytest.mark.parametrize(
    ("command", "trouble"),
    [(Command(("nonesuch",), 5), "missing"), (Command(("true",), 5, "/nonesuch"), "folder")],
)
def test_what_cannot_be_started(command: Command, trouble: str) -> None:
    """A missing program or directory is reported as such, not as an exit code."""
    done = run(script.message(command, {"PATH": "/usr/bin:/bin"}, MARK))
    assert script.ended(done.stderr, MARK) == script.Ended(None, trouble)


def test_what_heeds_no_signal_is_killed_with_its_group() -> None:
    """A child that ignores SIGTERM is killed with the process group after the command has ended."""
    command = Command(("sh", "-c", '(trap "" TERM; exec sleep 4722) & exec sleep 4722'), 60)
    done = run(script.message(command, {"PATH": "/usr/bin:/bin"}, MARK))
    assert script.ended(done.stderr, MARK) == script.Ended(None, "stopped")
    assert subprocess.run(["pgrep", "-f", "^sleep 4722$"], capture_output=True, check=False).stdout == b""


def test_signal_that_is_lost_at_the_start_is_sent_again(tmp_path: Path) -> None:
    """A SIGTERM that is lost while timeout(1) starts is sent again."""
    slow = tmp_path / "timeout"
    slow.write_text('#!/bin/sh\ntrap : TERM\nsleep 0.5\ntrap - TERM\nexec /usr/bin/timeout "$@"\n')
    slow.chmod(0o755)
    done = run(script.message(Command(("sleep", "4733"), 60), {"PATH": f"{tmp_path}:/usr/bin:/bin"}, MARK))
    assert script.ended(done.stderr, MARK) == script.Ended(None, "stopped")
    assert subprocess.run(["pgrep", "-f", "^sleep 4733$"], capture_output=True, check=False).stdout == b""


def test_deadline_goes_with_it() -> None:
    """timeout(1) stops the command on the host shortly after its deadline, with or without a connection."""
    packed = script.message(Command(("pg_dump",), 60), {}, MARK).partition(b"\n")[2]
    assert b"timeout -k 5 75 pg_dump </dev/null 3<&- & c=$!" in base64.b64decode(packed)
