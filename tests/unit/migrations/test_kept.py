"""The cache of answers: an answer is used again on the same machine for exactly the same question."""

from pathlib import Path
from typing import Any

import pytest

from runbook.migrations import kept as module
from runbook.migrations.image.probe import question_to
from runbook.migrations.image.report import ImageReport, read_report, to_json
from runbook.migrations.kept import KeptAnswers
from runbook.secrets.redactor import Redactor
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


def store(folder: Path) -> KeptAnswers:
    redactor = Redactor()
    redactor.learn("API_TOKEN", "s3cr3t-t0ken")
    return KeptAnswers(folder, redactor)


def read(kept: KeptAnswers, **other: Any) -> ImageReport | None:
    return kept.read(kept.path(question_to(**ASKED | other)), read_report)


@pytest.fixture
def kept(tmp_path: Path) -> KeptAnswers:
    """A cache that has the report."""
    found = store(tmp_path)
    found.keep(found.path(question_to(**ASKED)), to_json(REPORT))
    return found


@pytest.fixture
def place(kept: KeptAnswers) -> Path:
    """The path of the report in the cache."""
    path = kept.path(question_to(**ASKED))
    assert path is not None
    return path


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
def test_report_is_found_for_the_same_question_only(kept: KeptAnswers, tmp_path: Path, other: dict[str, Any]) -> None:
    """Another image, setting, environment or range is asked anew; a later run finds the report."""
    assert read(store(tmp_path)) == REPORT
    assert read(kept, **other) is None


def test_other_program_asks_anew(kept: KeptAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of another version of the probe is not used, because it may lack answers."""
    monkeypatch.setattr("runbook.migrations.image.probe.PROGRAM", "newer")
    assert read(kept) is None


def test_answer_with_a_secret_is_not_kept(tmp_path: Path) -> None:
    """An answer that the record would redact is not stored."""
    found = store(tmp_path)
    path = found.path("asked")
    assert path is not None
    for answer in ({"sql": "ALTER ROLE x PASSWORD 's3cr3t-t0ken'"}, ["postgres://shop:hunter22@db/shop"]):
        found.keep(path, answer)
        assert not path.exists()


def test_nobody_else_reads_or_writes_them(kept: KeptAnswers, place: Path) -> None:
    """Files have mode 600 in a folder of mode 700; a folder that others may enter is not used."""
    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    place.parent.chmod(0o755)
    assert kept.path("asked") is None
    assert read(kept) is None


@pytest.mark.parametrize("content", ["", "{", '{"graph": 1}', "[]"])
def test_damaged_one_is_asked_anew(kept: KeptAnswers, place: Path, content: str) -> None:
    """A file that is not a valid report is ignored."""
    assert read(kept) == REPORT
    place.write_text(content)
    assert read(kept) is None


def test_changed_one_is_asked_anew(kept: KeptAnswers, place: Path) -> None:
    """A report that was edited, moved to another path, or signed with another machine's key is ignored."""
    whole = place.read_text()
    place.write_text(whole.replace('"x.py"', '"y.py"'))
    assert read(kept) is None
    place.write_text(whole)
    assert read(kept) == REPORT
    place.rename(kept.path(question_to(**ASKED | {"image_id": "sha256:2"})) or "")
    assert read(kept, image_id="sha256:2") is None
    place.write_text(whole)
    (place.parent / "key").write_bytes(b"k" * 32)
    elsewhere = kept.path(question_to(**ASKED))
    assert elsewhere is not None
    place.rename(elsewhere)
    assert read(kept) is None


def test_link_or_a_large_one_is_asked_anew(kept: KeptAnswers, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbolic link is not followed, and a file above the size limit is not read."""
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")
    assert read(kept) is None
    place.unlink()
    place.with_name("elsewhere").rename(place)
    assert read(kept) == REPORT
    monkeypatch.setattr(module, "_MOST_BYTES", 10)
    assert read(kept) is None


def test_other_kind_of_answer_is_none(kept: KeptAnswers, place: Path) -> None:
    """A stored answer of another kind is ignored."""
    kept.keep(place, {"untried": ""})
    assert read(kept) is None
