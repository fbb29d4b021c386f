"""Journals that earlier versions wrote stay readable, and say what they said."""

import json
from pathlib import Path

import pytest

from runbook.errors import JournalError
from runbook.journal.damage import Damage
from runbook.journal.journal import Journal
from runbook.journal.verify import verify
from runbook.report.incident_report import Story
from runbook.report.page import render
from runbook.secrets.redactor import Redactor
from tests.unit.forging import lines_in, put, resealed, sealed_anew

JOURNALS = Path(__file__).with_name("journals")
HEADLINES = {
    "1-first-rehearsal": "Over: production runs 2025-12-15-rc1 again",
    "1-first-validation": "Validated: 2025-12-15-rc1 is known good",
    "1-plan-by-tag": "A plan: nothing was changed",
    "2-killed-rollback": "Interrupted at: When the application is brought up on the target",
    "3-downgrade": "Over: production runs 2025-12-15-rc1 again",
    "3-emergency": "Switched: EXPORT_MODE=off",
    "4-probed-and-resumed": "Over: production runs 2025-12-15-rc1 again",
}
KILLED = {"2-killed-rollback"}


def test_each_state_of_the_format_is_there() -> None:
    """The folder holds these journals and no other."""
    assert {path.stem for path in JOURNALS.glob("*.jsonl")} == set(HEADLINES)


@pytest.mark.parametrize("name", HEADLINES)
def test_earlier_journal_is_read(name: str) -> None:
    """It verifies, its page can be made, and its headline is the one that belongs to it."""
    journal = JOURNALS / f"{name}.jsonl"
    found = verify(journal)
    assert found.damage is (Damage.UNCLOSED if name in KILLED else None), found.problem
    story = Story(found.entries)
    assert story.headline == HEADLINES[name]
    assert story.headline in render.page(journal)
    assert all(sentence.seconds is not None for sentence in story.sentences if sentence.outcome == "passed")


@pytest.mark.parametrize("name", HEADLINES)
def test_earlier_journal_is_told_from_a_changed_one(name: str, tmp_path: Path) -> None:
    """What today's form adds is not part of what is checked: the chain is over the bytes as they were."""
    journal = tmp_path / "journal.jsonl"
    lines = lines_in(JOURNALS / f"{name}.jsonl")
    put(journal, [*lines[:7], lines[7].replace(b'"kind":', b'"Kind":', 1), *lines[8:]])
    found = verify(journal)
    assert (found.damage, len(found.entries)) == (Damage.EDITED, 7)


def test_earlier_journal_is_gone_on_with(tmp_path: Path) -> None:
    """A run that an earlier version began, and that was killed, can be appended to."""
    journal = put(tmp_path / "journal.jsonl", lines_in(JOURNALS / "2-killed-rollback.jsonl"))
    before = journal.read_bytes()
    again = Journal(journal, Redactor(), go_on=True)
    again.write("closed", outcome="passed")
    again.close()
    assert verify(journal).whole
    assert journal.read_bytes().startswith(before)


def test_newer_journal_is_refused(tmp_path: Path) -> None:
    """A journal of a format that is not known yet is neither rendered nor gone on with, and both say why."""
    journal = tmp_path / "journal.jsonl"
    lines = lines_in(JOURNALS / "1-plan-by-tag.jsonl")
    put(journal, sealed_anew([resealed(lines[0], format=2), *lines[1:]]))
    assert json.loads(lines_in(journal)[0])["format"] == 2
    for read in (verify, render.page, lambda path: Journal(path, Redactor(), go_on=True)):
        with pytest.raises(JournalError, match=r"is of format 2, .* reads formats up to 1 → use the version"):
            read(journal)
