"""Any damage to a journal is reported with its first bad entry and the reason."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.errors import JournalError
from runbook.journal.verify import LONGEST_LINE, Verified, verify
from tests.support.campaigns import examples
from tests.support.forging import journal_of, lines_in, put, resealed, rewritten, sealed_anew

ENTRIES = 8
Action = Callable[[list[bytes]], list[bytes]]


def edited(*numbers: int) -> Action:
    return lambda lines: [
        line.replace(b'"kind":"', b'"kind":"X', 1) if n in numbers else line for n, line in enumerate(lines, start=1)
    ]


def in_order(*numbers: int) -> Action:
    return lambda lines: [lines[number - 1] for number in numbers]


def forged(lines: list[bytes]) -> list[bytes]:
    """Insert a new line after the third, chained to it. The next line is not changed."""
    entry = resealed(lines[3], name="forged")
    return [*lines[:3], entry, *lines[3:]]


def foreign(number: int) -> Action:
    """Insert an intact line as line `number`, with the number and previous hash of another journal."""

    def put_in(lines: list[bytes]) -> list[bytes]:
        other = resealed(lines[1], name="foreign", seq=number + 2, previous="ab" * 32)
        return [*lines[: number - 1], other, *lines[number - 1 :]]

    return put_in


def nonsense(number: int) -> Action:
    return lambda lines: [*lines[: number - 1], b"nonsense\n", *lines[number - 1 :]]


CHANGED = "was changed after it was written, or was inserted"
FOLLOWS_NOT = "does not follow the line above it: "


@pytest.mark.parametrize(
    ("change", "believed", "words"),
    [
        pytest.param(edited(5), 4, f"line 5: {CHANGED}", id="edited"),
        pytest.param(edited(1), 0, f"line 1: {CHANGED}", id="first-edited"),
        pytest.param(edited(8), 7, f"line 8: {CHANGED}", id="last-edited"),
        pytest.param(edited(3, 6), 2, f"line 3: {CHANGED}", id="edited-twice"),
        pytest.param(lambda lines: edited(3)(lines)[:-1], 2, f"line 3: {CHANGED}", id="edited-and-tail-cut"),
        pytest.param(rewritten(5), 4, f"line 6: {FOLLOWS_NOT}one of the two was rewritten", id="rewritten"),
        pytest.param(rewritten(1), 0, f"line 2: {FOLLOWS_NOT}one of the two was rewritten", id="first-rewritten"),
        pytest.param(rewritten(7), 6, f"line 8: {FOLLOWS_NOT}one of the two was rewritten", id="last-but-one"),
        pytest.param(in_order(1, 2, 5, 6, 7, 8), 2, f"line 3: {FOLLOWS_NOT}it says that it is entry 4", id="removed"),
        pytest.param(in_order(2, 3, 4, 5, 6, 7, 8), 0, "line 1: does not follow", id="first-removed"),
        pytest.param(in_order(8), 0, "it says that it is entry 7: lines were removed", id="all-but-the-last-removed"),
        pytest.param(in_order(1, 2, 6, 4, 5, 3, 7, 8), 2, "line 3: does not follow", id="swapped"),
        pytest.param(in_order(1, 3, 4, 5, 2, 6, 7, 8), 1, "line 2: does not follow", id="moved-down"),
        pytest.param(in_order(1, 5, 2, 3, 4, 6, 7, 8), 1, "line 2: does not follow", id="moved-up"),
        pytest.param(in_order(8, 7, 6, 5, 4, 3, 2, 1), 0, "line 1: does not follow", id="turned-over"),
        pytest.param(in_order(1, 2, 3, 2, 4, 5, 6, 7, 8), 2, "it says that it is entry 1: lines", id="copied-down"),
        pytest.param(in_order(1, 6, 2, 3, 4, 5, 6, 7, 8), 1, "it says that it is entry 5: lines", id="copied-up"),
        pytest.param(in_order(1, 2, 3, 4, 5, 6, 7, 8, 8), 8, "line 9: follows the closing", id="closed-twice"),
        pytest.param(nonsense(4), 3, f"line 4: {CHANGED}", id="nonsense-put-in"),
        pytest.param(nonsense(1), 0, f"line 1: {CHANGED}", id="nonsense-on-top"),
        pytest.param(forged, 3, "line 5: does not follow", id="chained-line-put-in"),
        pytest.param(foreign(5), 4, "line 5: does not follow", id="line-of-another-journal-put-in"),
        pytest.param(
            lambda lines: [*lines[:3], resealed(lines[3], previous="ab" * 32), *lines[4:]],
            2,
            "line 4: does not follow",
            id="replaced",
        ),
        pytest.param(
            lambda lines: rewritten(4)(rewritten(5)(lines)), 3, "line 5: does not follow", id="two-neighbours-rewritten"
        ),
    ],
)
def test_first_bad_entry_is_told(tmp_path: Path, change: Action, believed: int, words: str) -> None:
    """The first bad entry is reported with line and reason. Entries that may have been rewritten are not returned."""
    journal = journal_of(tmp_path, ENTRIES)
    whole = lines_in(journal)
    found = verify(put(journal, change(whole)))
    assert words in str(found.problem)
    assert (found.broken_off, len(found.entries)) == (False, believed)
    assert found.size == sum(map(len, whole[:believed]))
    assert found.head == (json.loads(whole[believed - 1])["sha256"] if believed else "0" * 64)


@pytest.mark.parametrize(
    ("change", "believed", "words"),
    [
        pytest.param(lambda lines: [*lines[:6], lines[6][:-9]], 6, "line 7: ends without a line break", id="half"),
        pytest.param(lambda lines: lines[:6], 6, "line 6: is the last, but not the closing", id="tail-cut"),
        pytest.param(lambda _lines: [], 0, "the journal is empty", id="empty"),
    ],
)
def test_journal_that_breaks_off_is_told(tmp_path: Path, change: Action, believed: int, words: str) -> None:
    """A killed run's journal is told apart from a changed one, and all its complete lines are returned."""
    journal = journal_of(tmp_path, ENTRIES)
    found = verify(put(journal, change(lines_in(journal))))
    assert words in str(found.problem)
    assert (found.broken_off, found.whole, len(found.entries)) == (True, False, believed)


def test_line_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A file of one endless line is not read to its end, and does not count as the journal of a killed run."""
    journal = tmp_path / "journal.jsonl"
    with journal.open("wb") as file:
        file.truncate(LONGEST_LINE + 1)
    found = verify(journal)
    assert (found.broken_off, found.entries) == (False, ())
    assert f"line 1: {CHANGED}" in str(found.problem)


@pytest.mark.parametrize("kind", ["pipe", "folder", "missing"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A pipe is refused without waiting, and a folder and a missing file are refused too."""
    journal = tmp_path / "journal.jsonl"
    {"pipe": os.mkfifo, "folder": Path.mkdir, "missing": Path}[kind](journal)
    with pytest.raises(JournalError, match="cannot be read"):
        verify(journal)


def behind(*kinds: str | bytes) -> Action:
    """Append entries of these kinds, chained to the last line, or raw lines."""

    def put_behind(lines: list[bytes]) -> list[bytes]:
        chained = list(lines)
        for kind in kinds:
            if isinstance(kind, str):
                *_, last = (json.loads(line) for line in chained if b'"sha256"' in line)
                line = resealed(chained[1], kind=kind, seq=last["seq"] + 1, previous=last["sha256"])
            chained.append(kind if isinstance(kind, bytes) else line)
        return chained

    return put_behind


PUT_IN = "line 9: follows the closing entry but does not begin a resumed run"
RESUMED = b'{"seq":8,"time":"2026-11-22T11:17:40.000375Z","kind":"resumed","oper'


@pytest.mark.parametrize(
    ("change", "believed", "words"),
    [
        pytest.param(behind(b"\n"), 8, PUT_IN, id="empty-line"),
        pytest.param(behind(b'{"x":1}\n'), 8, PUT_IN, id="object"),
        pytest.param(behind(b"x"), 8, PUT_IN, id="without-a-line-break"),
        pytest.param(behind(b"x\n", b"y\n", b"z"), 8, PUT_IN, id="lines"),
        pytest.param(behind("fact"), 8, PUT_IN, id="entry"),
        pytest.param(behind("fact", "closed"), 8, PUT_IN, id="closed-again"),
        pytest.param(behind(b"x\n", "fact"), 8, PUT_IN, id="object-and-entry"),
        pytest.param(behind(b"x\n", "resumed", "closed"), 8, PUT_IN, id="above-a-resumed-run"),
        pytest.param(behind("resumed", "closed", b"\n"), 10, "line 11: follows the closing", id="resumed"),
        pytest.param(behind(RESUMED.replace(b":8,", b":7,")), 8, PUT_IN, id="half-an-entry-of-another-number"),
        pytest.param(behind(RESUMED.replace(b'"resumed"', b'"fact"')), 8, PUT_IN, id="half-an-entry-of-a-kind"),
        pytest.param(behind(RESUMED + b"\n"), 8, f"line 9: {CHANGED}", id="edited-resumed"),
        pytest.param(
            lambda lines: edited(10)(behind("resumed", "fact", "closed")(lines)),
            9,
            f"line 10: {CHANGED}",
            id="resumed-run-edited",
        ),
        pytest.param(
            lambda lines: in_order(*range(1, 9), 10, 11)(behind("resumed", "fact", "closed")(lines)),
            8,
            PUT_IN,
            id="resumed-removed",
        ),
        pytest.param(
            lambda lines: [*lines, b"x\n", *behind("resumed", "fact", "closed")(lines)[9:]],
            8,
            PUT_IN,
            id="resumed-written-over",
        ),
        pytest.param(
            lambda lines: rewritten(8)(behind("resumed", "closed")(lines)),
            7,
            f"line 9: {FOLLOWS_NOT}one of the two was rewritten",
            id="closing-rewritten",
        ),
    ],
)
def test_end_of_a_closed_journal(tmp_path: Path, change: Action, believed: int, words: str) -> None:
    """After a closing entry only a resumed run may follow. Anything else was inserted or changed."""
    journal = journal_of(tmp_path, ENTRIES)
    found = verify(put(journal, change(lines_in(journal))))
    assert words in str(found.problem)
    assert (found.broken_off, len(found.entries)) == (False, believed)


@pytest.mark.parametrize(
    ("change", "believed", "words"),
    [
        pytest.param(behind(RESUMED), 8, "line 9: ends without", id="half-a-resumed"),
        pytest.param(behind(RESUMED[:5]), 8, "line 9: ends without", id="beginning-of-a-resumed"),
        pytest.param(behind("resumed"), 9, "line 9: is the last", id="resumed-and-killed"),
        pytest.param(behind("resumed", b"{"), 9, "line 10: ends without", id="resumed-and-killed-writing"),
    ],
)
def test_resumed_run_that_was_killed_is_told(tmp_path: Path, change: Action, believed: int, words: str) -> None:
    """The journal of a killed resumed run counts as one that breaks off."""
    journal = journal_of(tmp_path, ENTRIES)
    found = verify(put(journal, change(lines_in(journal))))
    assert words in str(found.problem)
    assert (found.broken_off, len(found.entries)) == (True, believed)


def test_closed_journal_that_was_resumed_is_whole(tmp_path: Path) -> None:
    """A resumed run after a closing entry leaves the journal whole."""
    journal = journal_of(tmp_path, ENTRIES)
    assert verify(put(journal, behind("resumed", "fact", "closed")(lines_in(journal)))).whole


def test_line_that_is_no_entry_is_told(tmp_path: Path) -> None:
    """A line with a valid hash but invalid mandatory members is not returned."""
    journal = journal_of(tmp_path, ENTRIES)
    lines = lines_in(journal)
    for members in ({"kind": 7}, {"seq": True}, {"time": None}):
        put(journal, [*lines[:2], resealed(lines[2], **members), *lines[3:]])
        assert len(verify(journal).entries) == 2


def test_journal_sealed_anew_is_told_by_its_head(tmp_path: Path) -> None:
    """A journal rewritten with new hashes is whole, but does not contain a head known from outside."""
    journal = journal_of(tmp_path, ENTRIES)
    told = verify(journal).entries[5]["sha256"]
    assert verify(journal).entry_of(told) == 5
    lines = lines_in(journal)
    found = verify(put(journal, sealed_anew([*lines[:3], *lines[4:]])))
    assert found.whole
    assert found.entry_of(told) is None


@pytest.mark.parametrize("number", [2, 77, "x", None])
def test_newer_format_is_refused(tmp_path: Path, number: object) -> None:
    """A journal of an unknown format is refused."""
    journal = journal_of(tmp_path, 3)
    put(journal, sealed_anew([resealed(lines_in(journal)[0], format=number), *lines_in(journal)[1:]]))
    with pytest.raises(JournalError, match=rf"has format {number!r}, .* formats up to 1"):
        verify(journal)


def test_edited_format_is_an_edit(tmp_path: Path) -> None:
    """A format edited in the first line is reported as a changed line."""
    journal = journal_of(tmp_path, 3)
    lines = lines_in(journal)
    put(journal, [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]])
    found = verify(journal)
    assert f"line 1: {CHANGED}" in str(found.problem)


# -- random damage ---------------------------------------------------------------------------------------------


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return the journal with bytes flipped, cut, inserted or doubled, or two ranges exchanged."""
    one, two, three, four = sorted(draw(st.lists(st.integers(0, len(whole)), min_size=4, max_size=4)))
    some = draw(st.binary(min_size=1, max_size=9))
    flipped = bytearray(whole)
    flipped[one - 1] ^= draw(st.integers(1, 255))
    ways = {
        "flipped": bytes(flipped),
        "cut": whole[:one],
        "cut out": whole[:one] + whole[two:],
        "put in": whole[:one] + some + whole[one:],
        "written over": whole[:one] + some + whole[one + len(some) :],
        "doubled": whole[:two] + whole[one:],
        "exchanged": whole[:one] + whole[three:four] + whole[two:three] + whole[one:two] + whole[four:],
    }
    return ways[draw(st.sampled_from(sorted(ways)))]


WHOLE: list[bytes] = []


def whole_lines() -> list[bytes]:
    if not WHOLE:
        with TemporaryDirectory() as folder:
            WHOLE.extend(lines_in(journal_of(Path(folder), 12)))
    return WHOLE


def told(data: bytes) -> Verified:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(data)
        return verify(path)


@settings(max_examples=examples(1000), deadline=None)
@given(st.data())
def test_any_damage_is_told(data: st.DataObject) -> None:
    """Any damage is detected, and only entries that were written are returned."""
    whole = b"".join(whole_lines())
    changed = data.draw(damaged_bytes(whole))
    found = told(changed)
    assert found.whole == (changed == whole)
    assert changed.startswith(b"".join(whole_lines()[: len(found.entries)]))
    # A killed run leaves the beginning of a journal.
    assert not whole.startswith(changed) or changed == whole or found.broken_off


@settings(deadline=None)
@given(st.integers(0, 11), st.integers(0, 11), st.integers(0, 12))
def test_damage_of_lines_is_told_where_it_begins(one: int, two: int, place: int) -> None:
    """For exchanged, removed, doubled or inserted lines, the first wrong line is reported."""
    lines = whole_lines()
    one, two = min(one, two), max(one, two)
    exchanged = list(lines)
    exchanged[one], exchanged[two] = lines[two], lines[one]
    if one != two:
        assert f"line {one + 1}: does not follow" in str(told(b"".join(exchanged)).problem)
    without = told(b"".join([*lines[:one], *lines[two + 1 :]]))
    assert without.broken_off == (two == 11)
    expected = f"line {one + 1}: does not follow" if two < 11 else f"line {one}: is the last" if one else "is empty"
    assert expected in str(without.problem)
    doubled = told(b"".join([*lines[:place], lines[one], *lines[place:]]))
    first = place + 1 if place == one else place
    words = "follows the closing" if first == 12 else "does not follow"
    assert f"line {first + 1}: {words}" in str(doubled.problem)
    if place < 12:
        found = told(b"".join([*lines[:place], b"{}\n", *lines[place:]]))
        assert (len(found.entries), f"line {place + 1}: {CHANGED}" in str(found.problem)) == (place, True)


@settings(deadline=None)
@given(st.integers(0, 10), st.data())
def test_edited_line_is_told(number: int, data: st.DataObject) -> None:
    """A changed byte is reported with its line. A line rewritten with its hash is detected by the next line."""
    lines = whole_lines()
    line = bytearray(lines[number])
    # A line break would split the line.
    place = data.draw(st.integers(0, len(line) - 2))
    line[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (line[place], 0x0A)))
    found = told(b"".join([*lines[:number], bytes(line), *lines[number + 1 :]]))
    assert (len(found.entries), f"line {number + 1}: {CHANGED}" in str(found.problem)) == (number, True)
    forged_line = resealed(lines[number], name=data.draw(st.text(max_size=9)))
    found = told(b"".join([*lines[:number], forged_line, *lines[number + 1 :]]))
    if forged_line != lines[number]:
        assert (len(found.entries), found.broken_off) == (number, False)
        assert f"line {number + 2}: {FOLLOWS_NOT}one of the two was rewritten" in str(found.problem)
