"""What happened to a journal is told by name, and by the line in which it happened."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.errors import JournalError
from runbook.journal.damage import Damage
from runbook.journal.quick_read import skim
from runbook.journal.verify import verify
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
    """A new line behind the third, chained to it; the line below is not touched."""
    entry = resealed(lines[3], name="forged")
    return [*lines[:3], entry, *lines[3:]]


def foreign(number: int) -> Action:
    """A line that is whole, with a number and a hash above it of some other journal, put in as line `number`."""

    def put_in(lines: list[bytes]) -> list[bytes]:
        other = resealed(lines[1], name="foreign", seq=number + 2, previous="ab" * 32)
        return [*lines[: number - 1], other, *lines[number - 1 :]]

    return put_in


def nonsense(number: int) -> Action:
    return lambda lines: [*lines[: number - 1], b"nonsense\n", *lines[number - 1 :]]


FOLLOWS_NOT = "does not follow the line above it"


@pytest.mark.parametrize(
    ("change", "kind", "believed", "words"),
    [
        pytest.param(edited(5), Damage.EDITED, 4, "line 5: was changed", id="edited"),
        pytest.param(edited(1), Damage.EDITED, 0, "line 1: was changed", id="first-edited"),
        pytest.param(edited(8), Damage.EDITED, 7, "line 8: was changed", id="last-edited"),
        pytest.param(rewritten(5), Damage.REWRITTEN, 4, "line 5: was rewritten, hash and all (line 6", id="rewritten"),
        pytest.param(rewritten(1), Damage.REWRITTEN, 0, "line 1: was rewritten, hash and all", id="first-rewritten"),
        pytest.param(rewritten(7), Damage.REWRITTEN, 6, "line 7: was rewritten, hash and all, or", id="last-but-one"),
        pytest.param(in_order(1, 2, 5, 6, 7, 8), Damage.REMOVED, 2, "entries 2 to 3 are missing", id="removed"),
        pytest.param(in_order(1, 2, 4, 5, 6, 7, 8), Damage.REMOVED, 2, "entry 2 is missing", id="one-removed"),
        pytest.param(in_order(2, 3, 4, 5, 6, 7, 8), Damage.REMOVED, 0, "entry 0 is missing", id="first-removed"),
        pytest.param(in_order(8), Damage.REMOVED, 0, "entries 0 to 6 are missing", id="all-but-the-last-removed"),
        pytest.param(
            in_order(1, 2, 6, 4, 5, 3, 7, 8),
            Damage.MOVED,
            2,
            "it is entry 5, and entry 2 stands in line 6",
            id="swapped",
        ),
        pytest.param(in_order(1, 3, 4, 5, 2, 6, 7, 8), Damage.MOVED, 1, "entry 1 stands in line 5", id="moved-down"),
        pytest.param(in_order(1, 5, 2, 3, 4, 6, 7, 8), Damage.MOVED, 1, "entry 1 stands in line 3", id="moved-up"),
        pytest.param(in_order(8, 7, 6, 5, 4, 3, 2, 1), Damage.MOVED, 0, "entry 0 stands in line 8", id="turned-over"),
        pytest.param(
            in_order(1, 2, 3, 2, 4, 5, 6, 7, 8), Damage.INSERTED, 3, "put in, and is a copy of line 2", id="copied-down"
        ),
        pytest.param(
            in_order(1, 6, 2, 3, 4, 5, 6, 7, 8), Damage.INSERTED, 1, "put in, and is a copy of line 7", id="copied-up"
        ),
        pytest.param(in_order(1, 2, 3, 4, 5, 6, 7, 8, 8), Damage.INSERTED, 8, "copy of line 8", id="closed-twice"),
        pytest.param(nonsense(4), Damage.INSERTED, 3, "line 4: was put in", id="nonsense-put-in"),
        pytest.param(nonsense(1), Damage.INSERTED, 0, "line 1: was put in", id="nonsense-on-top"),
        pytest.param(
            forged, Damage.INSERTED, 3, "line 4: was put in, with a hash of its own", id="chained-line-put-in"
        ),
        pytest.param(foreign(5), Damage.INSERTED, 4, "line 5: does not follow", id="line-of-another-journal-put-in"),
        pytest.param(
            lambda lines: [*lines[:3], resealed(lines[3], previous="ab" * 32), *lines[4:]],
            Damage.REPLACED,
            2,
            "line 4: does not follow the line above it, nor the line below it",
            id="replaced",
        ),
        pytest.param(
            lambda lines: rewritten(4)(rewritten(5)(lines)),
            Damage.REPLACED,
            3,
            "line 5: does not follow",
            id="two-neighbours-rewritten",
        ),
        pytest.param(
            lambda lines: [*lines[:6], lines[6][:-9]], Damage.CUT, 6, "line 7: ends without", id="half-a-line"
        ),
        pytest.param(lambda lines: lines[:6], Damage.UNCLOSED, 6, "line 6 is the last", id="tail-cut"),
        pytest.param(lambda _lines: [], Damage.EMPTY, 0, "the journal is empty", id="empty"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: Action, kind: Damage, believed: int, words: str) -> None:
    """Each kind is told from the others, with its line, and only the lines above it are believed."""
    journal = journal_of(tmp_path, ENTRIES)
    found = verify(put(journal, change(lines_in(journal))))
    assert (found.damage, len(found.entries)) == (kind, believed)
    assert words in str(found.problem)
    assert "more damage" not in str(found.problem)


def behind(*kinds: str | bytes) -> Action:
    """Entries of these kinds behind the last line, chained to it, or lines as they are."""

    def put_behind(lines: list[bytes]) -> list[bytes]:
        chained = list(lines)
        for kind in kinds:
            if isinstance(kind, str):
                *_, last = (json.loads(line) for line in chained if b'"sha256"' in line)
                line = resealed(chained[1], kind=kind, seq=last["seq"] + 1, previous=last["sha256"])
            chained.append(kind if isinstance(kind, bytes) else line)
        return chained

    return put_behind


PUT_IN = "line 9: was put in after the journal was closed"
RESUMED = b'{"seq":8,"time":"2026-11-22T11:17:40.000375Z","kind":"resumed","oper'


@pytest.mark.parametrize(
    ("change", "kind", "believed", "words"),
    [
        pytest.param(behind(b"\n"), Damage.INSERTED, 8, PUT_IN, id="empty-line"),
        pytest.param(behind(b'{"x":1}\n'), Damage.INSERTED, 8, PUT_IN, id="object"),
        pytest.param(behind(b"x"), Damage.INSERTED, 8, PUT_IN, id="without-a-line-break"),
        pytest.param(behind(b"x\n", b"y\n", b"z"), Damage.INSERTED, 8, "lines 9 to 11: were put in", id="lines"),
        pytest.param(behind("fact"), Damage.INSERTED, 8, PUT_IN, id="entry"),
        pytest.param(behind("fact", "closed"), Damage.INSERTED, 8, "lines 9 to 10: were put in", id="closed-again"),
        pytest.param(behind(b"x\n", "fact"), Damage.INSERTED, 8, "lines 9 to 10: were put in", id="object-and-entry"),
        pytest.param(behind(b"x\n", "resumed", "closed"), Damage.INSERTED, 8, PUT_IN, id="above-a-resumed-run"),
        pytest.param(
            behind("resumed", "closed", b"\n"), Damage.INSERTED, 10, "line 11: was put in after", id="resumed"
        ),
        pytest.param(
            behind(RESUMED.replace(b":8,", b":7,")), Damage.INSERTED, 8, PUT_IN, id="half-an-entry-of-another-number"
        ),
        pytest.param(
            behind(RESUMED.replace(b'"resumed"', b'"fact"')), Damage.INSERTED, 8, PUT_IN, id="half-an-entry-of-a-kind"
        ),
        pytest.param(behind(RESUMED), Damage.CUT, 8, "line 9: ends without", id="half-a-resumed"),
        pytest.param(behind(RESUMED[:5]), Damage.CUT, 8, "line 9: ends without", id="beginning-of-a-resumed"),
        pytest.param(behind(RESUMED + b"\n"), Damage.EDITED, 8, "line 9: was changed", id="edited-resumed"),
        pytest.param(behind("resumed"), Damage.UNCLOSED, 9, "line 9 is the last", id="resumed-and-killed"),
        pytest.param(behind("resumed", b"{"), Damage.CUT, 9, "line 10: ends without", id="resumed-and-killed-writing"),
        pytest.param(
            lambda lines: edited(9)(behind("resumed", "fact", "closed")(lines)),
            Damage.EDITED,
            8,
            "line 9: was changed",
            id="resumed-run-edited",
        ),
        pytest.param(
            lambda lines: in_order(*range(1, 9), 10, 11)(behind("resumed", "fact", "closed")(lines)),
            Damage.REMOVED,
            8,
            "entry 8 is missing",
            id="resumed-removed",
        ),
        pytest.param(
            lambda lines: [*lines, b"x\n", *behind("resumed", "fact", "closed")(lines)[9:]],
            Damage.EDITED,
            8,
            "line 9: was changed",
            id="resumed-written-over",
        ),
    ],
)
def test_end_of_a_closed_journal(tmp_path: Path, change: Action, kind: Damage, believed: int, words: str) -> None:
    """Behind a closed journal only a resumed run writes: anything else was put in, and its own damages are its own."""
    journal = journal_of(tmp_path, ENTRIES)
    found = verify(put(journal, change(lines_in(journal))))
    assert (found.damage, len(found.entries)) == (kind, believed)
    assert words in str(found.problem)
    assert "more damage" not in str(found.problem)
    skimmed = skim(journal)
    assert (skimmed.damage, skimmed.problem, len(skimmed.entries)) == (kind, found.problem, believed)


def test_closed_journal_that_was_resumed_is_whole(tmp_path: Path) -> None:
    """A run that goes on stands behind the closing entry of the one before."""
    journal = journal_of(tmp_path, ENTRIES)
    assert verify(put(journal, behind("resumed", "fact", "closed")(lines_in(journal)))).whole


@pytest.mark.parametrize("tail", ["\n", "x", '{"x":1}\n'])
def test_index_tells_the_end_of_a_journal_too_large_to_read_twice(
    tmp_path: Path, tail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put in behind the closing entry is not taken for a run that was killed, either."""
    monkeypatch.setattr("runbook.journal.quick_read._MOST_BYTES", 1)
    journal = journal_of(tmp_path, ENTRIES)
    found = skim(put(journal, behind(tail.encode())(lines_in(journal))))
    assert (found.damage, found.problem) == (Damage.INSERTED, PUT_IN)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(edited(3, 6), Damage.EDITED, id="edited-twice"),
        pytest.param(lambda lines: edited(3)(lines)[:-1], Damage.EDITED, id="edited-and-tail-cut"),
        pytest.param(
            lambda lines: in_order(1, 3, 4, 5, 6, 7, 8)(edited(6)(lines)), Damage.REMOVED, id="removed-edited"
        ),
        pytest.param(lambda lines: rewritten(3)(edited(6)(lines)), Damage.REWRITTEN, id="rewritten-and-edited"),
        pytest.param(in_order(1, 3, 2, 4, 4, 5, 6, 7, 8), Damage.MOVED, id="moved-and-copied"),
        pytest.param(in_order(1, 3, 4, 6, 7, 8), Damage.REMOVED, id="removed-twice"),
        pytest.param(lambda lines: nonsense(3)(nonsense(6)(lines)), Damage.INSERTED, id="put-in-twice"),
    ],
)
def test_further_damage_is_told(tmp_path: Path, change: Action, kind: Damage) -> None:
    """Of several damages the first one is named, and it is said that there are more."""
    journal = journal_of(tmp_path, ENTRIES)
    found = verify(put(journal, change(lines_in(journal))))
    assert found.damage is kind
    assert str(found.problem).endswith("; and there is more damage below it")


def test_line_that_is_no_entry_is_told(tmp_path: Path) -> None:
    """A line whose hash fits, and that has not what every entry has, is not believed."""
    journal = journal_of(tmp_path, ENTRIES)
    lines = lines_in(journal)
    for members in ({"kind": 7}, {"seq": True}, {"time": None}):
        put(journal, [*lines[:2], resealed(lines[2], **members), *lines[3:]])
        assert len(verify(journal).entries) == 2


def test_journal_sealed_anew_is_told_by_its_head(tmp_path: Path) -> None:
    """What was rewritten with all hashes below it is whole, and does not hold the hash that was told outside."""
    journal = journal_of(tmp_path, ENTRIES)
    told = verify(journal).entries[5]["sha256"]
    assert verify(journal).entry_of(told) == 5
    lines = lines_in(journal)
    found = verify(put(journal, sealed_anew([*lines[:3], *lines[4:]])))
    assert found.whole
    assert found.entry_of(told) is None


@pytest.mark.parametrize("number", [2, 77, "x", None])
def test_newer_format_is_refused(tmp_path: Path, number: object) -> None:
    """A journal of a format that came later is not judged by the rules of this one."""
    journal = journal_of(tmp_path, 3)
    put(journal, sealed_anew([resealed(lines_in(journal)[0], format=number), *lines_in(journal)[1:]]))
    with pytest.raises(JournalError, match=rf"is of format {number!r}, .* formats up to 1"):
        verify(journal)


def test_edited_format_is_an_edit(tmp_path: Path) -> None:
    """A format that somebody wrote into the first line is told as what it is."""
    journal = journal_of(tmp_path, 3)
    lines = lines_in(journal)
    put(journal, [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]])
    assert verify(journal).damage is Damage.EDITED


# -- any journal, damaged anywhere -----------------------------------------------------------------------------


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes flipped, cut out, put in, doubled, or two ranges exchanged."""
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


def told(data: bytes) -> tuple[Damage | None, int, str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(data)
        found = verify(path)
        return found.damage, len(found.entries), str(found.problem)


@settings(max_examples=examples(1000), deadline=None)
@given(st.data())
def test_any_damage_is_told(data: st.DataObject) -> None:
    """Whatever is done to its bytes, it is told, and no entry is believed that was not written there."""
    whole = b"".join(whole_lines())
    changed = data.draw(damaged_bytes(whole))
    damage, believed, _ = told(changed)
    if changed == whole:
        assert damage is None
        return
    assert damage is not None
    assert changed.startswith(b"".join(whole_lines()[:believed]))


@settings(deadline=None)
@given(st.integers(0, 11), st.integers(0, 11), st.integers(0, 12))
def test_damage_of_lines_is_named(one: int, two: int, place: int) -> None:
    """Wherever lines are exchanged, removed, doubled or cut off, that is what is told, with where it begins."""
    lines = whole_lines()
    one, two = min(one, two), max(one, two)
    exchanged = list(lines)
    exchanged[one], exchanged[two] = lines[two], lines[one]
    if one != two:
        assert told(b"".join(exchanged))[:2] == (Damage.MOVED, one)
    without = [*lines[:one], *lines[two + 1 :]]
    expected = (Damage.REMOVED, one) if two < 11 else (Damage.UNCLOSED, one) if one else (Damage.EMPTY, 0)
    assert told(b"".join(without))[:2] == expected
    doubled = [*lines[:place], lines[one], *lines[place:]]
    assert told(b"".join(doubled))[:2] == (Damage.INSERTED, place + 1 if place == one else place)
    if place < 12:
        assert told(b"".join([*lines[:place], b"{}\n", *lines[place:]]))[:2] == (Damage.INSERTED, place)


@settings(deadline=None)
@given(st.integers(0, 10), st.data())
def test_edited_line_is_named(number: int, data: st.DataObject) -> None:
    """Wherever a byte within a line is changed it is told as an edit of that line; hash and all, as a rewritten one."""
    lines = whole_lines()
    line = bytearray(lines[number])
    # A line break would make two lines of one.
    place = data.draw(st.integers(0, len(line) - 2))
    line[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (line[place], 0x0A)))
    damage, believed, words = told(b"".join([*lines[:number], bytes(line), *lines[number + 1 :]]))
    assert (damage, believed) == (Damage.EDITED, number)
    assert f"line {number + 1}: " in words
    forged_line = resealed(lines[number], name=data.draw(st.text(max_size=9).filter(lambda text: text != "number")))
    damage, believed, words = told(b"".join([*lines[:number], forged_line, *lines[number + 1 :]]))
    if forged_line != lines[number]:
        assert (damage, believed) == (Damage.REWRITTEN, number)
        assert f"line {number + 1}: was rewritten" in words
