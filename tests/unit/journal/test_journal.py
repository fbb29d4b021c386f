"""The journal: entries are on the disk and chained, and every later change is detected."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runbook.errors import JournalError
from runbook.journal.journal import RESERVED, Journal
from runbook.journal.verify import verify
from runbook.secrets.redactor import Redactor

ROOT = Path(__file__).parents[3]


def written(folder: Path, *, closed: bool = True) -> Path:
    """Write a small journal with several kinds of entries, and return its path."""
    path = folder / "reports" / "journal.jsonl"
    journal = Journal(path, Redactor())
    journal.write("opened", sync=True, project="shop")
    journal.write("command", command="docker ps", stdout={"kept": 'ä\n"quoted" \\ </pre>'})
    journal.write("fact", name="n", value=[1, None, True, {"a": "b"}])
    if closed:
        journal.write("closed", sync=True, outcome="passed")
    journal.close()
    return path


def smallest(folder: Path) -> Path:
    """Write a journal of two lines, for tests that change every byte."""
    journal = Journal(folder / "journal.jsonl", Redactor())
    journal.write("opened", said=['ä"\\', 1])
    journal.write("closed")
    journal.close()
    return journal.path


def test_whole_journal_verifies(tmp_path: Path) -> None:
    """A closed journal is whole. `verify` returns its entries and its head."""
    path = written(tmp_path)
    found = verify(path)
    assert found.whole
    assert [entry["kind"] for entry in found.entries] == ["opened", "command", "fact", "closed"]
    assert found.entries[1]["stdout"]["kept"] == 'ä\n"quoted" \\ </pre>'
    assert found.head == json.loads(path.read_text().splitlines()[-1])["sha256"]


def test_each_entry_is_numbered_timed_and_chained(tmp_path: Path) -> None:
    """Every line is JSON with its number, UTC time and the hash of the previous line."""
    entries = [json.loads(line) for line in written(tmp_path).read_text().splitlines()]
    assert [entry["seq"] for entry in entries] == [0, 1, 2, 3]
    assert [entry["previous"] for entry in entries[1:]] == [entry["sha256"] for entry in entries[:-1]]
    assert all(entry["time"].endswith("Z") for entry in entries)
    assert sorted(entry["time"] for entry in entries) == [entry["time"] for entry in entries]


def test_head_is_known_while_the_journal_is_open(tmp_path: Path) -> None:
    """The head of an open journal is the hash of its newest line."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened")
    newest = json.loads(journal.path.read_text().splitlines()[-1])["sha256"]
    assert journal.head == newest
    journal.write("closed")
    assert journal.head != newest
    journal.close()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda byte: byte ^ 0x01, id="lowest-bit"),
        pytest.param(lambda byte: byte ^ 0x20, id="letter-case"),
        pytest.param(lambda byte: byte ^ 0x80, id="highest-bit"),
        pytest.param(lambda byte: 0x0A if byte != 0x0A else 0x20, id="line-break"),
        pytest.param(lambda byte: 0x0D if byte != 0x0D else 0x20, id="carriage-return"),
    ],
)
def test_any_changed_byte_is_told(tmp_path: Path, other: Callable[[int], int]) -> None:
    """A changed byte is detected anywhere, and reported with its line."""
    path = smallest(tmp_path)
    data = path.read_bytes()
    for place, byte in enumerate(data):
        path.write_bytes(data[:place] + bytes([other(byte)]) + data[place + 1 :])
        found = verify(path)
        line = data[:place].count(b"\n") + 1
        assert not found.whole, place
        assert f"line {line}:" in str(found.problem), place
        assert len(found.entries) == line - 1


@pytest.mark.parametrize("byte", [b"\r", b"\n", b" "], ids=repr)
def test_any_byte_put_in_is_told(tmp_path: Path, byte: bytes) -> None:
    """An inserted byte is detected anywhere, even where JSON allows white space."""
    path = smallest(tmp_path)
    data = path.read_bytes()
    for place in range(len(data) + 1):
        path.write_bytes(data[:place] + byte + data[place:])
        assert not verify(path).whole, place


def test_any_byte_taken_out_is_told(tmp_path: Path) -> None:
    """A removed byte is detected anywhere."""
    path = smallest(tmp_path)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + data[place + 1 :])
        assert not verify(path).whole, place


def test_tail_cut_anywhere_is_told(tmp_path: Path) -> None:
    """A journal cut at any byte is not whole. The complete lines before the cut are still returned."""
    path = smallest(tmp_path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        found = verify(path)
        assert not found.whole, length
        assert len(found.entries) == data[:length].count(b"\n")


@pytest.mark.parametrize(
    ("rearranged", "line", "believed"),
    [
        pytest.param([0, 2, 1, 3], 2, 1, id="swapped"),
        pytest.param([0, 2, 3], 2, 1, id="removed"),
        pytest.param([1, 2, 3], 1, 0, id="first-removed"),
        pytest.param([0, 1, 1, 2, 3], 3, 1, id="doubled"),
        pytest.param([0, 1, 2, 3, 3], 5, 4, id="closed-twice"),
        pytest.param([0, 1, 2, 0, 3], 4, 2, id="older-line-put-in"),
        pytest.param([3], 1, 0, id="only-the-last"),
    ],
)
def test_moved_lines_are_told(tmp_path: Path, rearranged: list[int], line: int, believed: int) -> None:
    """Intact lines at the wrong place are detected."""
    path = written(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in rearranged))
    found = verify(path)
    assert f"line {line}: " in str(found.problem)
    assert len(found.entries) == believed
    assert not found.broken_off


def test_line_of_another_journal_is_told(tmp_path: Path) -> None:
    """An intact line of another journal is detected."""
    mine, other = written(tmp_path / "a"), written(tmp_path / "b")
    lines = mine.read_bytes().splitlines(keepends=True)
    lines[2] = other.read_bytes().splitlines(keepends=True)[2]
    mine.write_bytes(b"".join(lines))
    assert "line 3: does not follow" in str(verify(mine).problem)


def test_journal_without_its_closing_entry(tmp_path: Path) -> None:
    """A journal without its closing entry is not whole, but all its lines are returned."""
    found = verify(written(tmp_path, closed=False))
    assert "not the closing entry" in str(found.problem)
    assert len(found.entries) == 3


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"not JSON\n", b"\xff\xfe\n", b"[]"], ids=repr)
def test_what_is_no_journal_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that never was a journal is not whole."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    found = verify(path)
    assert not found.whole
    assert found.entries == ()


def test_journal_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A missing journal is an error that names its path."""
    with pytest.raises(JournalError, match=str(tmp_path / "none.jsonl")):
        verify(tmp_path / "none.jsonl")


def test_journal_is_never_written_over(tmp_path: Path) -> None:
    """An existing journal is not opened as a new one, and stays unchanged."""
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(path, Redactor())
    assert path.read_bytes() == before


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A journal whose folder cannot be created is refused."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal.jsonl", Redactor())


def test_secrets_never_reach_the_file(tmp_path: Path) -> None:
    """Secrets are redacted in keys and values before writing. The journal's own words stay."""
    redactor = Redactor()
    redactor.learn("TOKEN", "canary-4711")
    redactor.learn("WEAK_PASSWORD", "outcome")
    journal = Journal(tmp_path / "journal.jsonl", redactor)
    entry = journal.write("closed", outcome="passed", said={"canary-4711": ["x canary-4711 y"]})
    journal.close()
    assert b"canary-4711" not in journal.path.read_bytes()
    assert entry["said"] == {"[secret TOKEN]": ["x [secret TOKEN] y"]}
    assert entry["outcome"] == "passed"


def test_text_that_is_not_unicode_can_be_read_again(tmp_path: Path) -> None:
    """A lone surrogate, as in a container's JSON or a file's bytes, can be written, verified and printed."""
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("closed", value={"\ud800": ["\udcff", "\U0001f600"]})
    journal.close()
    found = verify(journal.path)
    assert found.whole
    assert "\U0001f600" in str(found.entries[0]["value"])
    json.dumps(found.entries, ensure_ascii=False).encode("utf-8")


_FULL_DISK = """
import resource, sys
from pathlib import Path
from runbook.errors import JournalError
from runbook.hosts.command import Command
from runbook.hosts.local import LocalHost
from runbook.incident.executor import Executor, Mode
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor
from runbook.actions import Action, ActionName

folder = Path(sys.argv[1])
incident = Executor("i", Mode.EXECUTE, Journal(folder / "journal.jsonl", Redactor()))
incident.journal.write("opened")
resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "journal.jsonl").stat().st_size + 20,) * 2)
try:
    change = Action(ActionName.BRING_UP, "s", (Command(("touch", str(folder / "changed")), 5),))
    incident.execute(change, LocalHost({}, incident))
except JournalError as error:
    print(error)
"""


def test_full_disk_stops_before_anything_is_changed(tmp_path: Path) -> None:
    """If the entry before a change does not fit on the disk, the run stops and the change is not made."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "cannot be written" in done.stdout
    assert not (tmp_path / "changed").exists()
    found = verify(tmp_path / "journal.jsonl")
    assert [entry["kind"] for entry in found.entries] == ["opened"]
    # The incomplete line was removed, so that the journal can be closed once there is room.
    assert "line 1: is the last" in str(found.problem)


def test_journal_is_gone_on_with(tmp_path: Path) -> None:
    """A closed journal can be continued, and its chain stays whole."""
    path = tmp_path / "journal.jsonl"
    first = Journal(path, Redactor())
    first.write("opened")
    first.write("closed")
    first.close()
    again = Journal(path, Redactor(), go_on=True)
    assert [entry["kind"] for entry in again.entries] == ["opened", "closed"]
    again.write("resumed")
    again.write("closed")
    again.close()
    found = verify(path)
    assert found.whole, found.problem
    assert [entry["seq"] for entry in found.entries] == [0, 1, 2, 3]


@pytest.mark.parametrize("torn", [b"{", b'{"seq":1,"time":"2026', b"\x00\x00\x00"])
def test_line_that_a_dying_run_did_not_finish_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    """Half a line of a killed run is cut off. The lines before it stay unchanged."""
    path = tmp_path / "journal.jsonl"
    first = Journal(path, Redactor())
    first.write("opened")
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    again = Journal(path, Redactor(), go_on=True)
    again.write("closed")
    again.close()
    assert path.read_bytes().startswith(whole)
    assert verify(path).whole


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lines: [lines[0].replace(b"opened", b"0pened"), *lines[1:]], id="edited"),
        pytest.param(lambda lines: lines[:1] + lines[2:], id="line-taken-out"),
        pytest.param(lambda _lines: [], id="empty"),
        pytest.param(lambda lines: [*lines, b"nonsense\n"], id="line-added"),
    ],
)
def test_changed_journal_is_not_gone_on_with(tmp_path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """A journal that was changed is not continued, and not touched."""
    path = tmp_path / "journal.jsonl"
    first = Journal(path, Redactor())
    for kind in ("opened", "fact", "closed"):
        first.write(kind)
    first.close()
    changed = b"".join(change(path.read_bytes().splitlines(keepends=True)))
    path.write_bytes(changed)
    with pytest.raises(JournalError, match="is damaged"):
        Journal(path, Redactor(), go_on=True)
    assert path.read_bytes() == changed


def test_journal_has_one_writer(tmp_path: Path) -> None:
    """A journal has one writer. After that run has ended, another can continue it."""
    path = tmp_path / "journal.jsonl"
    first = Journal(path, Redactor())
    first.write("opened")
    with pytest.raises(JournalError, match="another run is writing"):
        Journal(path, Redactor(), go_on=True)
    first.close()
    Journal(path, Redactor(), go_on=True).close()


def test_room_is_reserved_and_given_back(tmp_path: Path) -> None:
    """An open journal reserves disk space for its closing entry, in a file without a name."""
    before = unseen()
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened")
    assert unseen() - before >= RESERVED
    assert [each.name for each in tmp_path.iterdir()] == ["journal.jsonl"]
    journal.close()
    assert unseen() == before


def unseen() -> int:
    """Return the bytes on the disk of this process's open files without a name."""
    found = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the listing's own descriptor is closed by then
        with suppress(OSError):
            file = os.fstat(int(name))
            found += 512 * file.st_blocks if stat.S_ISREG(file.st_mode) and not file.st_nlink else 0
    return found


_INTERRUPTED = """
import signal, sys, threading, time
from pathlib import Path
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor
from runbook.hosts.signals import signals_blocked

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is made deaf to it
journal = Journal(Path(sys.argv[1]), Redactor())
stop = threading.Event()

def beside():
    while not stop.is_set():
        journal.write("beside")
        time.sleep(0.0002)  # a thread that never rests would keep the lock from all others

with signals_blocked():
    thread = threading.Thread(target=beside)
    thread.start()
until = time.monotonic() + 120  # left alone, it must not fill the disk
stopped = 0
while stopped < int(sys.argv[2]):
    journal.write("here")  # nobody is locked out; what follows may be interrupted before it writes anything
    try:
        print("go on", flush=True)
        while time.monotonic() < until:
            journal.write("here")
        break
    except KeyboardInterrupt:
        stopped += 1
stop.set()
thread.join(10)
journal.write("closed")
journal.close()
print("alive" if thread.is_alive() else "ended", flush=True)
"""


def test_two_threads_write_through_many_interrupts(tmp_path: Path) -> None:
    """With 200 Ctrl-C and two writing threads, every line is whole and no thread is locked out."""
    times = 200
    path = tmp_path / "journal.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(path), str(times)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for n in range(times):
            assert process.stdout.readline() == "go on\n"
            time.sleep(n % 20 * 0.0002)  # at a different moment of a write each time
            process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ended\n"
    found = verify(path)
    assert found.whole, found.problem
    kinds = Counter(entry["kind"] for entry in found.entries)
    assert kinds["here"] >= times, kinds
    assert kinds["beside"] > 0, kinds
    assert kinds["closed"] == 1, kinds


@pytest.mark.parametrize("replaced", [False, True])
def test_journal_that_is_not_at_its_place_stops_the_run(tmp_path: Path, *, replaced: bool) -> None:
    """If the journal was removed or replaced, the next synced entry stops the run."""
    journal = Journal(tmp_path / "reports" / "journal.jsonl", Redactor())
    journal.write("opened", sync=True)
    journal.path.unlink()
    if replaced:
        journal.path.write_text("")
    else:
        journal.path.parent.rmdir()
    with pytest.raises(JournalError, match="without a journal nothing more is changed"):
        journal.write("action", sync=True, state="begun")
    journal.close()
