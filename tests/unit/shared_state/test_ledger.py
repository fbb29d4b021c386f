"""The ledger of known-good releases on the production host."""

from pathlib import Path

import pytest

from runbook.actions import Scope
from runbook.errors import Inconclusive
from runbook.polling import wait_for
from tests.support.notes import Remembered, digests, execute, ledger_of, line, release


@pytest.mark.parametrize(
    ("ledger", "number"),
    [
        pytest.param('{"tag": "v1"}\n{"tag": "v2"\n', 2, id="cut"),
        pytest.param('{"tag": "v1"}\n\n{"tag": "v2"}\n', 2, id="empty-line"),
        pytest.param('["v1"]\n', 1, id="not-an-object"),
        pytest.param("<<<<<<< HEAD\n", 1, id="words"),
        pytest.param("[" * 100_000, 1, id="nested-without-end"),
    ],
)
def test_broken_line_is_told_by_its_number(tmp_path: Path, ledger: str, number: int) -> None:
    """A ledger with an invalid line is inconclusive, with the number of that line."""
    with pytest.raises(Inconclusive, match=rf"known_good\.jsonl: line {number} is not a JSON object"):
        ledger_of(tmp_path, ledger).candidates()


def test_validated_release_is_entered_and_found_again(tmp_path: Path) -> None:
    """A release that is added to the ledger becomes the next choice, and earlier lines stay."""
    remembers = Remembered(tmp_path, [line("v1")])
    change = remembers.ledger.add(release("v2"), "i-2", None, {}, "not taken")
    assert change.scope is Scope.NOTES
    execute(change)
    assert wait_for(remembers.ledger.check_newest("v2", "i-2")).seen.ok
    assert not wait_for(remembers.ledger.check_newest("v2", "i-3")).seen.ok
    choice = remembers.choose(["v3"], None)
    assert (choice.chosen.tag, choice.chosen.digests) == ("v2", digests("2"))
    assert remembers.choose(["v2"], None).chosen.tag == "v1"


def test_notes_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """The first note creates its folder with mode 700, and no half-written file is left."""
    execute(ledger_of(tmp_path).add(release("v1"), "i-1", None, {}, "not taken"))
    folder = tmp_path / ".runbook"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [found.name for found in folder.iterdir()] == ["known_good.jsonl"]


def test_ledger_is_written_by_exactly_this_command(tmp_path: Path) -> None:
    """The new ledger is written to a new file that replaces the old one by one rename."""
    (command,) = ledger_of(tmp_path).add(release("v1"), "i-1", None, {}, "not taken").commands
    shell, option, script, *given = command.argv
    assert (shell, option) == ("sh", "-c")
    assert given == ["sh", f"{tmp_path}/.runbook/known_good.jsonl", f"{tmp_path}/.runbook"]
    assert [line.split()[0] for line in script.strip().splitlines()] == ["set", "file=$1;", "mkdir", "rm", "dd", "mv"]
    assert script.strip().splitlines()[-1] == 'mv --force -- "$file.new" "$file"'
