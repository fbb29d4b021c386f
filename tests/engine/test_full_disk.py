"""The disk with the records fills up in the middle of a run: the record is still closed, and says so.

The tests need no engine (`docker` is the one of tests/harness), but they need root, because they mount a small tmpfs.
That is why they are with the engine tests, and `script/test --fast` leaves them out.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.journal.journal import RESERVED
from runbook.journal.verify import verify
from tests.harness.inner import Runbook, Zygote, scenario
from tests.support.keeping import keep

FILLING = scenario("Filling", "When the disk fills up", "Then all is well", tags="@provides:filled")
LATER = scenario("Later", "When a file is made", tags="@provides:made")
TALKING = scenario("Talking", "When very much is said", "Then all is well", tags="@provides:said")
# Its output goes into the journal: more than may fit into the last page that the journal has.
_FILL = """

@when("the disk fills up")
def disk_fills_up(context) -> Action:
    fill = "dd if=/dev/zero of=reports/.filler bs=4096 2>/dev/null; seq 4000"
    command = Command(("sh", "-c", fill), 50, {folder!r})
    return Action(ActionName.BRING_UP, "the disk fills up", (command,))


@when("very much is said")
def very_much_said(context) -> Action:
    command = Command(("sh", "-c", "yes | head --bytes {much}"), 50, {folder!r})
    return Action(ActionName.BRING_UP, "very much is said", (command,))
"""
_ROOM = 2 * 1024 * 1024  # bytes, in addition to the reserve


@pytest.fixture
def small_disk(tmp_path: Path, zygote: Zygote) -> Iterator[Runbook]:
    """A runbook whose reports are on a separate disk with little more than the reserve."""
    runbook = Runbook(tmp_path, zygote)
    reports = tmp_path / "reports"
    reports.mkdir()
    size = RESERVED + _ROOM
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(reports)], check=True)
    try:
        steps = tmp_path / "steps.py"
        steps.write_text(steps.read_text() + _FILL.format(folder=str(tmp_path), much=_ROOM + 1))
        yield runbook
    finally:
        # Lazily, because a run that hung and was killed may still have a file open.
        subprocess.run(["umount", "--lazy", str(reports)], check=True)


def test_record_is_closed_on_a_full_disk(small_disk: Runbook) -> None:
    """The step fails, nothing more changes, the journal and the page are complete, and production's state is shown."""
    small_disk.feature("1.feature", FILLING, LATER)
    ran = small_disk.run("features", "--execute", "shop")
    assert ran.exit_code == 1, ran.terminal
    folder = next(path.parent for path in (small_disk.folder / "reports").glob("*/journal.jsonl"))
    found = verify(folder / "journal.jsonl")
    assert found.whole, found.problem
    outcomes = {entry["scenario"]: entry["outcome"] for entry in found.entries if entry["kind"] == "scenario ended"}
    assert outcomes == {"Filling": "failed"}
    assert not (small_disk.server / "made").exists()
    assert "No space left on device" in ran.terminal
    assert "production now:" in ran.terminal
    assert "lock      released" in ran.terminal
    assert "--resume" in ran.terminal
    assert found.entries[-1]["trouble"] == "No space left on device"
    keep("full-disk", folder)
    head = (folder / "record.html").read_text().partition("</header>")[0]
    assert "<strong>The journal could not be written:</strong> No space left on device" in head


def test_output_that_does_not_fit_stops_nothing(small_disk: Runbook) -> None:
    """If an output does not fit, the record says so and keeps its end, and the run completes."""
    small_disk.feature("1.feature", TALKING, LATER)
    ran = small_disk.run("features", "--execute", "shop")
    assert ran.exit_code == 0, ran.terminal
    (said,) = [entry["stdout"] for entry in ran.entries("command") if "yes" in entry["command"]]
    assert said["file_error"] == "No space left on device"
    assert len(said["kept"]) == 65_536
    assert ran.folder is not None
    assert list((ran.folder / "output").iterdir()) == []
    assert ran.page


def test_incident_goes_on_when_there_is_room_again(small_disk: Runbook) -> None:
    """Once there is room again, the same incident is resumed and completes."""
    small_disk.feature("1.feature", FILLING, LATER)
    small_disk.run("features", "--execute", "shop")
    (small_disk.folder / "reports" / ".filler").unlink()
    small_disk.feature("1.feature", FILLING.replace("the disk fills up", "a file is made"), LATER)
    name = next((small_disk.folder / "reports").glob("*/journal.jsonl")).parent.name
    ran = small_disk.run("features", "--resume", name, "--execute", "shop")
    assert ran.exit_code == 0, ran.terminal


def test_run_that_could_not_be_closed_is_not_begun(small_disk: Runbook) -> None:
    """Without room for the record, nothing is begun, and one line says so."""
    small_disk.feature("1.feature", FILLING, LATER)
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={small_disk.folder}/reports/.filler", "bs=4096"], capture_output=True, check=False
    )
    ran = small_disk.run("features", "--execute", "shop")
    assert ran.exit_code == 4, ran.terminal
    assert "→" in ran.terminal
    assert not (small_disk.server / "made").exists()
