"""Every incident in a folder of reports is listed: whole, broken, under way, foreign or hostile."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook.errors import JournalError
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.archive import index_page
from runbook.report.archive.archive import Archive, read, remember
from runbook.report.archive.summary import State, Summary
from runbook.secrets.redactor import Redactor
from runbook.text import one_line
from tests.support.campaigns import examples
from tests.support.filed import closed, filed, opened, over
from tests.support.telling import INCIDENT, told

WHEN = "2026-01-31T10:00:00"


def only(reports: Path) -> Summary:
    """Return the only incident of these reports."""
    (found,) = read(reports).summaries
    return found


def test_what_images_reported_is_no_record(tmp_path: Path) -> None:
    """The `.answers` folder of images' reports is not a record, and is not reported as left out."""
    (tmp_path / ".answers").mkdir()
    assert read(tmp_path).left_out == []


def names(archive: Archive) -> list[str]:
    return [each.name for each in archive.summaries]


def test_rollback_in_one_line(tmp_path: Path) -> None:
    """The summary of a rollback has kind, result, both releases, times and operator."""
    folder = filed(tmp_path, WHEN, over(after=42.5))
    found = only(tmp_path)
    assert (found.folder, found.state, found.problem) == (folder.name, State.WHOLE, "")
    assert (found.group, found.kind, found.project, found.operator) == ("rollback", "rollback", "shop", "anna")
    assert (found.headline, found.tone, found.ending) == ("Over: production runs v1 again", "good", "succeeded")
    assert (found.released, found.target) == ("v2", "v1")
    assert (found.began, found.took) == ("2026-01-31T10:00:00.000000Z", 43.5)
    assert (found.time_to_recover, found.without_service) == (42.5, None)
    assert found.size == (folder / "journal.jsonl").stat().st_size


@pytest.mark.parametrize(
    ("kind", "mode", "group", "words"),
    [
        ("plan", "plan", "plan", "plan of a rollback"),
        ("validation", "plan", "validation", "validation"),
        ("emergency", "execute", "emergency", "emergency"),
        ("emergency", "plan", "plan", "plan of an emergency"),
        ("rehearsal", "execute", "rehearsal", "rehearsal"),
        ("emergency-rehearsal", "execute", "rehearsal", "rehearsal of an emergency"),
        ("unlock", "execute", "unlock", "unlock"),
        ("<b>party</b>", "execute", "unknown", "unknown"),
    ],
)
def test_each_kind_is_told(tmp_path: Path, kind: str, mode: str, group: str, words: str) -> None:
    """Each kind of run has its group and its words. An unknown kind is called unknown."""
    filed(tmp_path, WHEN, [opened(kind, mode=mode), closed("passed", changes=("it is changed",))], "record")
    assert (only(tmp_path).group, only(tmp_path).kind) == (group, words)


@pytest.mark.parametrize("kind", ["rollback", "emergency"])
def test_what_changed_nothing_is_a_kind_of_its_own(tmp_path: Path, kind: str) -> None:
    """A run that changed nothing has its own group, except a killed run and a rehearsal."""
    filed(tmp_path, WHEN, [opened(kind), closed("failed")], "record")
    assert (only(tmp_path).group, only(tmp_path).kind) == ("unchanged", f"{kind} that changed nothing")
    killed = filed(tmp_path / "killed", WHEN, [opened(kind)])
    assert only(killed.parent).group == kind
    filed(tmp_path / "rehearsed", WHEN, [opened("rehearsal"), closed("failed")])
    assert only(tmp_path / "rehearsed").group == "rehearsal"


def test_kind_of_a_plan_in_a_rehearsal_is_a_plan(tmp_path: Path) -> None:
    """The plan of a rehearsal counts as a plan, not as another rehearsal."""
    filed(tmp_path, WHEN, [opened("rehearsal-plan", mode="plan"), closed("planned")], "record")
    assert (only(tmp_path).group, only(tmp_path).kind) == ("plan", "plan in a rehearsal")


def test_users_who_were_out_to_the_end_are_told(tmp_path: Path) -> None:
    """If the last probe failed, the summary says so, and the time without service is a minimum."""
    probed = {
        "kind": "availability", "url": "http://shop.example", "interval_ms": 250, "deadline_ms": 5000,
        "began": f"{WHEN}.000000Z", "offsets_ms": [0, 250], "statuses": [200, 503], "latencies_ms": [5, 5],
    }  # fmt: skip
    filed(tmp_path, WHEN, [opened("rollback"), probed, closed("failed")], "record")
    assert (only(tmp_path).alarm, only(tmp_path).for_sure) == ("users were not served when it ended", False)
    assert "at least" in index_page.page(read(tmp_path))


def test_alarm_is_the_most_urgent(tmp_path: Path) -> None:
    """A journal that could not be written is an alarm, unless the state of production is a more urgent one."""
    changed = {"kind": "action", "state": "done", "summary": "x", "scope": "production"}
    full = closed("failed") | {"trouble": "No space left on device"}
    filed(tmp_path, WHEN, [opened(), full], "a")
    filed(tmp_path, WHEN, [opened(), changed, full], "b")
    assert [each.alarm for each in reversed(read(tmp_path).summaries)] == [
        "the journal could not be written (No space left on device)",
        "the final state of production is unknown",
    ]
    assert "The journal could not be written (No space left on device)" in index_page.page(read(tmp_path))


@pytest.mark.parametrize(("action", "word"), [("hold_traffic", "held"), ("pause_traffic", "paused")])
def test_traffic_that_was_left_held_is_told_from_paused(tmp_path: Path, action: str, word: str) -> None:
    """Traffic left held gives another alarm than traffic left paused."""
    kept_back = {"kind": "action", "state": "begun", "summary": "x", "scope": "production", "action": action}
    filed(tmp_path, WHEN, [opened(), kept_back, closed("failed", changes=("x",))])
    assert only(tmp_path).alarm == f"traffic was {word} when it ended"


def test_newest_comes_first(tmp_path: Path) -> None:
    """Incidents are listed by time, newest first, regardless of their folders' names."""
    filed(tmp_path, "2026-01-01T10:00:00", over(), "zzz")
    filed(tmp_path, "2026-03-01T10:00:00", over(), "aaa")
    filed(tmp_path, "2026-02-01T10:00:00", over())
    assert names(read(tmp_path)) == ["aaa", "20260201T100000Z-shop-rollback", "zzz"]


def test_archive_is_what_lies_there(tmp_path: Path) -> None:
    """The archive is the folder's content: removed incidents are gone, added ones are listed."""
    first = filed(tmp_path / "reports", WHEN, over())
    elsewhere = filed(tmp_path / "elsewhere", "2026-02-01T10:00:00", over())
    assert names(read(first.parent)) == [first.name]
    elsewhere.rename(first.parent / elsewhere.name)
    (first / "journal.jsonl").unlink()
    first.rmdir()
    assert names(read(first.parent)) == [elsewhere.name]


def test_killed_run_is_not_whole(tmp_path: Path) -> None:
    """A journal without its closing entry is listed as not whole, with the reason, and counts as bad."""
    filed(tmp_path, WHEN, over()[:-1])
    found = only(tmp_path)
    assert (found.state, found.tone, found.ending) == (State.NOT_WHOLE, "bad", "failed")
    assert "closing entry" in found.problem
    assert found.project == "shop"


@pytest.mark.parametrize("line", range(1, 7))
def test_changed_journal_is_not_whole(tmp_path: Path, line: int) -> None:
    """A changed byte is reported with its line. If it is the first line, the journal is unreadable."""
    journal = filed(tmp_path, WHEN, over()) / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b'"kind":"', b'"kind":"x', 1)
    journal.write_bytes(b"".join(lines))
    assert only(tmp_path).state is (State.UNREADABLE if line == 1 else State.NOT_WHOLE)
    assert only(tmp_path).problem.startswith(f"line {line}: was changed")
    assert only(tmp_path).tone == "bad"


def test_every_cut_is_told(tmp_path: Path) -> None:
    """A journal cut at any byte is listed as not whole or unreadable."""
    journal = filed(tmp_path, WHEN, over()) / "journal.jsonl"
    whole = journal.read_bytes()
    for length in range(len(whole)):
        journal.write_bytes(whole[:length])
        assert only(tmp_path).state in (State.NOT_WHOLE, State.UNREADABLE), length
        assert only(tmp_path).problem, length


@given(data=st.data())
@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_told_as_verify_tells_it(tmp_path: Path, data: st.DataObject) -> None:
    """For any changed byte of a journal, the index reports the problem that `verify` reports."""
    journal = tmp_path / "i-1" / "journal.jsonl"
    if not journal.exists():
        filed(tmp_path, WHEN, over(), "i-1")
        (tmp_path / "whole").write_bytes(journal.read_bytes())
    changed = bytearray((tmp_path / "whole").read_bytes())
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    journal.write_bytes(changed)
    assert only(tmp_path).problem == one_line(verify(journal).problem)
    assert only(tmp_path).state in (State.NOT_WHOLE, State.UNREADABLE)


def test_removed_and_moved_lines_are_told(tmp_path: Path) -> None:
    """A removed, doubled or moved line makes the journal not whole."""
    journal = filed(tmp_path, WHEN, over()) / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    for other in (lines[:2] + lines[3:], lines[:3] + lines[2:], [lines[0], lines[2], lines[1], *lines[3:]]):
        journal.write_bytes(b"".join(other))
        assert only(tmp_path).state is State.NOT_WHOLE


def test_run_at_work_is_under_way(tmp_path: Path) -> None:
    """A journal that a run is writing is under way. Once the run is gone, the journal is not whole."""
    journal = Journal(tmp_path / "i-1" / "journal.jsonl", Redactor())
    journal.write("opened", type="rollback", mode="execute", project="shop", operator="anna", incident="i-1")
    journal.write("scenario began", scenario="x", chapter="2. Roll back", feature="f")
    journal.write("step began", keyword="When", text="user traffic is paused", scenario="x", place="f:1")
    found = only(tmp_path)
    assert (found.state, found.problem, found.tone, found.took) == (State.UNDER_WAY, "", "plan", None)
    assert "at: When user traffic is paused" in found.headline
    journal.close()
    assert only(tmp_path).state is State.NOT_WHOLE


def test_asking_whether_a_run_is_at_work_disturbs_none(tmp_path: Path) -> None:
    """An incident can be resumed after its journal was read."""
    path = filed(tmp_path, WHEN, over()[:-1]) / "journal.jsonl"
    read(tmp_path)
    journal = Journal(path, Redactor(), go_on=True)
    journal.write("closed", outcome="passed", changes_made=[], reached=[], remaining=[])
    journal.close()
    assert only(tmp_path).state is State.WHOLE


def test_what_is_no_record_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """An empty folder and a symbolic link are left out with their reason. Other files are ignored."""
    real = filed(tmp_path, WHEN, over())
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(real.name)
    (tmp_path / "README.md").write_text("x")
    archive = read(tmp_path)
    assert names(archive) == [real.name]
    assert dict(archive.left_out) == {
        "empty": "has no journal.jsonl",
        "link": "is a symbolic link; copy the folder itself here",
    }


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "unreadable bytes", "empty", "endless line"])
def test_what_is_no_journal_is_named(tmp_path: Path, kind: str) -> None:
    """A `journal.jsonl` that is no journal is unreadable with a reason, and reading it does not wait."""
    folder = tmp_path / "i-1"
    folder.mkdir()
    journal = folder / "journal.jsonl"
    if kind == "pipe":
        os.mkfifo(journal)
    elif kind == "folder":
        journal.mkdir()
    elif kind == "link":
        journal.symlink_to("/dev/zero")
    elif kind == "endless line":
        with journal.open("wb") as file:
            file.truncate(100 * 1024 * 1024)
    else:
        journal.write_bytes(b"" if kind == "empty" else os.urandom(5000))
    found = only(tmp_path)
    assert found.state is State.UNREADABLE
    assert found.problem
    assert found.project == "unknown"


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([{"kind": "opened", "type": ["x"]}, {"kind": "fact", "name": "origin", "value": 7}], id="types"),
        pytest.param([opened(), {"kind": "scenario began"}], id="members-missing"),
        pytest.param([opened(), {"kind": "step ended", "outcome": {}}], id="wrong-order"),
        pytest.param([{"kind": "closed", "outcome": 5, "reached": 5}], id="closed-only"),
        pytest.param([opened(), {"kind": "availability", "url": 1}], id="probes"),
        pytest.param([opened(), {"kind": "fact", "name": "target", "value": {"tag": {"a": [None]}}}], id="deep"),
    ],
)
def test_entries_of_others_break_nothing(tmp_path: Path, entries: list[dict[str, object]]) -> None:
    """A journal with a valid chain but unknown members and types is listed like any other."""
    good = filed(tmp_path, WHEN, over())
    bad = filed(tmp_path, "2026-01-31T11:00:00", [*entries, closed("passed")], "bad")
    assert sorted(names(read(tmp_path))) == sorted([good.name, bad.name])


def test_times_of_others_break_nothing(tmp_path: Path) -> None:
    """A journal with an invalid time is unreadable, and does not prevent the listing of others."""
    journal = filed(tmp_path, WHEN, [opened(), closed("passed")], "odd") / "journal.jsonl"
    filed(tmp_path, WHEN, over())
    line = journal.read_bytes().splitlines()[0].replace(b"2026-01-31T10:00:00.000000Z", b"soon")
    journal.write_bytes(resealed(line))
    states = {each.name: each.state for each in read(tmp_path).summaries}
    assert states["odd"] is State.UNREADABLE


def resealed(line: bytes) -> bytes:
    body = line.rpartition(b',"sha256"')[0]
    return body + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def test_journal_of_a_newer_format_is_named(tmp_path: Path) -> None:
    """A journal of an unknown newer format is unreadable, and its format is named."""
    filed(tmp_path, WHEN, [opened(format=99), closed("passed")])
    assert only(tmp_path).state is State.UNREADABLE
    assert "format 99" in only(tmp_path).problem


def test_folder_that_is_not_its_own_is_told(tmp_path: Path) -> None:
    """A record in a folder of another name names its incident."""
    folder = filed(tmp_path, WHEN, over())
    folder.rename(tmp_path / "another")
    assert folder.name in only(tmp_path).problem
    assert only(tmp_path).state is State.WHOLE


def test_hostile_names_are_shown_and_linked_harmlessly(tmp_path: Path) -> None:
    """Names with hidden or reordering characters are shown escaped, and encoded in links."""
    for name in (b"a\nb", b"\xff\xfe", "x\u202ey".encode(), b"100% <i>?#", b"javascript:1"):
        filed(tmp_path, WHEN, over(), os.fsdecode(name))
    archive = read(tmp_path)
    assert {each.name for each in archive.summaries} == {
        "a b", r"\xff\xfe", r"x\u202ey", "100% <i>?#", "javascript:1",
    }  # fmt: skip
    links = {each.link for each in archive.summaries}
    assert "100%25%20%3Ci%3E%3F%23/journal.jsonl" in links
    assert "%FF%FE/journal.jsonl" in links
    assert "javascript%3A1/journal.jsonl" in links


def test_reports_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    """A missing folder of reports is an error that names it."""
    with pytest.raises(JournalError, match="nowhere cannot be read"):
        read(tmp_path / "nowhere")


def test_time_that_is_over_leaves_the_oldest_unread(tmp_path: Path) -> None:
    """When the time is over, incidents are listed by name in their order, and reported as unread."""
    for hour in (10, 11, 12):
        filed(tmp_path, f"2026-01-31T{hour}:00:00", over())
    archive = read(tmp_path, seconds=0)
    assert len(archive.unread) == 3
    assert names(archive) == sorted(names(archive), reverse=True)
    assert not archive.suspect
    assert not read(tmp_path, seconds=60).unread


def test_missing_page_is_made(tmp_path: Path) -> None:
    """A record of a killed run without a page gets one. A run under way does not."""
    journal = told(tmp_path, outcome=None)
    at_work = Journal(tmp_path / "i-1" / "journal.jsonl", Redactor())
    at_work.write("opened", type="rollback", mode="execute", project="shop", operator="anna", incident="i-1")
    assert not any(each.has_page for each in read(tmp_path).summaries)
    found = {each.name: each.has_page for each in read(tmp_path, pages=True).summaries}
    at_work.close()
    assert found == {INCIDENT: True, "i-1": False}
    assert "not whole" in journal.with_name("record.html").read_text(encoding="utf-8")


def test_page_that_cannot_be_made_is_missing_and_no_more(tmp_path: Path) -> None:
    """An incident whose page cannot be made is listed without one."""
    journal = told(tmp_path)
    journal.with_name("record.html").mkdir()
    (found,) = read(tmp_path, pages=True).summaries
    assert not found.has_page
    assert found.link.endswith("/journal.jsonl")


def test_journals_that_were_not_touched_are_read_once(tmp_path: Path) -> None:
    """Unchanged journals are not read again after `remember`, even with no time to read. New pages are noticed."""
    filed(tmp_path, WHEN, over())
    other = filed(tmp_path, "2026-01-31T11:00:00", over())
    remember(tmp_path, read(tmp_path))
    found = read(tmp_path, seconds=0)
    assert not found.unread
    assert found.summaries == read(tmp_path).summaries
    (other / "record.html").write_text("x")
    assert [each.has_page for each in read(tmp_path, seconds=0).summaries] == [True, False]


@pytest.mark.parametrize("keep_time", [True, False])
def test_journal_that_was_touched_is_read_again(tmp_path: Path, *, keep_time: bool) -> None:
    """A journal changed since is read again, even if its old time and size were restored."""
    journal = filed(tmp_path, WHEN, over()) / "journal.jsonl"
    before = journal.stat()
    remember(tmp_path, read(tmp_path))
    journal.write_bytes(journal.read_bytes().replace(b"anna", b"anne"))
    if keep_time:
        os.utime(journal, ns=(before.st_atime_ns, before.st_mtime_ns))
    (found,) = read(tmp_path, seconds=60).summaries
    assert found.state is State.UNREADABLE


@pytest.mark.parametrize("kept", ["", "[]", "[7]", "{}", '[{"folder": "x"}]', '[{"folder": "x", "stamp": []}]', "\xff"])
def test_odd_memory_is_forgotten(tmp_path: Path, kept: str) -> None:
    """A damaged cache is ignored, and the journals are read."""
    filed(tmp_path, WHEN, over())
    (tmp_path / ".summaries.json").write_text(kept, encoding="latin-1")
    assert read(tmp_path, seconds=60).summaries == read(tmp_path).summaries


def test_three_hundred_journals_take_a_few_seconds(tmp_path: Path) -> None:
    """300 journals of half a megabyte, mostly command output, are read in 5 seconds of processor time."""
    output = {"bytes": 4000, "kept": '{"quoted": "<output>"}\n' * 180}
    command = {
        "kind": "command", "command": "docker inspect", "directory": None, "stdin_bytes": None, "exit_code": 0,
        "seconds": 0.1, "stdout": output, "stderr": {"bytes": 0, "kept": ""},
    }  # fmt: skip
    journal = filed(tmp_path, WHEN, [*over()[:3], *[command] * 100, *over()[3:]], "first") / "journal.jsonl"
    assert journal.stat().st_size > 500_000
    for number in range(299):
        (tmp_path / f"{number}").mkdir()
        os.link(journal, tmp_path / f"{number}" / "journal.jsonl")
    began = time.process_time()
    assert len(read(tmp_path).summaries) == 300
    assert time.process_time() - began < 5
