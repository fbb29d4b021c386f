"""What an image has reported is asked once on a machine, for exactly the same question to exactly the same image."""

from pathlib import Path
from typing import Any

import pytest

from runbook.migrations.image.kept import KeptReports
from runbook.migrations.image.report import ImageReport, Problem, read_report
from runbook.settings.database import MigrationSettings

_FIRST = '{"revision": "0001", "down": [], "depends_on": [], "labels": [], "title": "x", "file": "x.py"}'
REPORT = read_report(
    f'{{"graph": {{"versions": {{}}, "heads": ["0001"], "bases": ["0001"], "revisions": [{_FIRST}]}}}}'
)
ASKED: dict[str, Any] = {
    "image_id": "sha256:1",
    "settings": MigrationSettings(),
    "environment": {"DATABASE_URL": "s3cr3t-4711"},
    "span": None,
}


@pytest.mark.parametrize(
    "other",
    [
        {"image_id": "sha256:2"},
        {"settings": MigrationSettings(config="other.ini")},
        {"settings": MigrationSettings(section="other")},
        {"settings": MigrationSettings(python="/venv/bin/python")},
        {"environment": {"DATABASE_URL": "another"}},
        {"span": ("0001", "0002")},
    ],
)
def test_report_is_found_for_the_same_question_only(tmp_path: Path, other: dict[str, Any]) -> None:
    """Another image, setting, environment or range is asked anew."""
    kept = KeptReports(tmp_path)
    kept.keep(kept.path(**ASKED), REPORT)
    assert KeptReports(tmp_path).read(kept.path(**ASKED)) == REPORT
    assert kept.read(kept.path(**ASKED | other)) is None


def test_other_program_asks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of an older probe may lack what this one looks for."""
    kept = KeptReports(tmp_path)
    kept.keep(kept.path(**ASKED), REPORT)
    monkeypatch.setattr("runbook.migrations.image.kept.PROGRAM", "newer")
    assert kept.read(kept.path(**ASKED)) is None


def test_what_could_not_be_read_is_not_kept(tmp_path: Path) -> None:
    """It may have been the machine's fault: the image is asked again."""
    kept = KeptReports(tmp_path)
    kept.keep(kept.path(**ASKED), ImageReport(problems=(Problem("graph", "not within 8 s"),)))
    assert kept.read(kept.path(**ASKED)) is None


def test_nobody_else_reads_or_writes_them(tmp_path: Path) -> None:
    """Files of their owner alone, without a secret in their names; a folder that others may enter is not used."""
    kept = KeptReports(tmp_path)
    path = kept.path(**ASKED)
    kept.keep(path, REPORT)
    assert path is not None
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.parent.chmod(0o755)
    assert kept.path(**ASKED) is None
    assert kept.read(None) is None


@pytest.mark.parametrize("content", ["", "{", '{"graph": 1}', "[]"])
def test_damaged_one_is_asked_anew(tmp_path: Path, content: str) -> None:
    """What is no report is none, and neither is what a link leads to."""
    kept = KeptReports(tmp_path)
    path = kept.path(**ASKED)
    assert path is not None
    path.write_text(content)
    assert kept.read(path) is None
    kept.keep(path, REPORT)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    assert kept.read(path) is None
