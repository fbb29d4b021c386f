"""The files of records: readable only by their owner, and never written through a planted link."""

import os
import stat
from pathlib import Path

import pytest

from runbook.errors import JournalError, SettingsError
from runbook.journal import private_files
from runbook.journal.journal import Journal
from runbook.journal.output_files import Outputs
from runbook.report.archive import index_page
from runbook.report.archive.archive import read
from runbook.report.page.render import render
from runbook.secrets.redactor import Redactor

SECRET = "precious"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file to which the planted links point."""
    found = tmp_path / "victim"
    found.write_text(SECRET)
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_everything_of_a_record_is_its_owners_alone(tmp_path: Path) -> None:
    """Folders have mode 0700 and files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        reports = tmp_path / "reports"
        private_files.make_reports(reports)
        journal = Journal(reports / "i-1/journal.jsonl", Redactor())
        Outputs(journal.path).keep("long", "stdout")
        journal.write("opened", incident="i-1")
        journal.close()
        render(journal.path)
        index_page.write(reports, read(reports))
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): mode(path) for path in tmp_path.rglob("*")}
    assert modes == {
        "reports": 0o700,
        "reports/.summaries.json": 0o600,
        "reports/index.html": 0o600,
        "reports/i-1": 0o700,
        "reports/i-1/journal.jsonl": 0o600,
        "reports/i-1/record.html": 0o600,
        "reports/i-1/output": 0o700,
        "reports/i-1/output/0001-stdout.txt": 0o600,
    }


@pytest.mark.parametrize("go_on", [False, True])
def test_journal_is_not_written_through_a_link(tmp_path: Path, victim: Path, *, go_on: bool) -> None:
    """A link at the journal's path is refused, and its target stays unchanged."""
    (tmp_path / "journal.jsonl").symlink_to(victim)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "journal.jsonl", Redactor(), go_on=go_on)
    assert victim.read_text() == SECRET


def test_reserve_is_not_made_through_a_link(tmp_path: Path, victim: Path) -> None:
    """A link at the reserve's path does not change its target."""
    (tmp_path / ".reserve").symlink_to(victim)
    Journal(tmp_path / "journal.jsonl", Redactor()).close()
    assert victim.read_text() == SECRET


@pytest.mark.parametrize("planted", ["output", "output/0001-stdout.txt"])
def test_outputs_are_not_written_through_a_link(tmp_path: Path, victim: Path, planted: str) -> None:
    """Output is written neither through a linked folder nor through a linked file."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / planted
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(victim if link.suffix else elsewhere)
    Outputs(tmp_path / "journal.jsonl").keep("said", "stdout")
    assert (victim.read_text(), list(elsewhere.iterdir())) == (SECRET, [])


def test_pages_replace_a_link(tmp_path: Path, victim: Path) -> None:
    """A page replaces a link at its path. The link's target stays unchanged."""
    for name in ("record.html", "record.new", "index.html"):
        (tmp_path / name).symlink_to(victim)
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    journal.write("opened", incident="i-1")
    journal.close()
    render(journal.path)
    index_page.write(tmp_path, read(tmp_path))
    assert victim.read_text() == SECRET
    assert not (tmp_path / "record.html").is_symlink()
    assert not (tmp_path / "index.html").is_symlink()


def test_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a page cannot be replaced, the old one stays and the draft is removed."""
    page = tmp_path / "record.html"
    private_files.write(page, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        private_files.write(page, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["record.html"]
    assert page.read_text() == "old"


def test_folder_that_everybody_can_write(tmp_path: Path) -> None:
    """A reports folder that everyone can write is refused, because anyone could plant links in it."""
    reports = tmp_path / "my reports"
    reports.mkdir()
    reports.chmod(0o777)
    with pytest.raises(SettingsError, match=r"is writable by everyone → type chmod go-w '/.*/my reports', then"):
        private_files.make_reports(reports)
    assert mode(reports) == 0o777


def test_folder_that_its_group_can_write(tmp_path: Path) -> None:
    """A reports folder of ours loses the group's write permission. Read permissions stay."""
    tmp_path.chmod(0o2775)
    private_files.make_reports(tmp_path)
    assert mode(tmp_path) == 0o2755


def test_folder_of_another_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reports folder of another owner is refused, and the message names both users."""
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(SettingsError, match=r"belongs to \w+, but you are user 4711 → .*--reports DIR"):
        private_files.make_reports(tmp_path)
    with pytest.raises(SettingsError, match="belongs to"):
        private_files.check_record(tmp_path)


def test_record_behind_a_link_is_not_gone_on_with(tmp_path: Path) -> None:
    """A record behind a link is refused, because the link may lead to a folder that others can write."""
    (tmp_path / "real").mkdir()
    (tmp_path / "i-1").symlink_to("real")
    with pytest.raises(SettingsError, match="is a symbolic link"):
        private_files.check_record(tmp_path / "i-1")
    private_files.check_record(tmp_path / "real")
    private_files.check_record(tmp_path / "nothing")
