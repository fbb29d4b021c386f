"""The release snapshot beside the ledger: it has no secret, is checked when it is read, and is removed later."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Inconclusive
from runbook.production.configuration import Configuration, Difference, How, Part, Value
from runbook.release import Release
from runbook.shared_state.ledger import Ledger
from runbook.shared_state.release_snapshot import ReleaseSnapshot
from tests.support.notes import digests, execute, ledger_of, line, release

SECRET = "s3cr3t-4711"
CONFIGURATION: Configuration = {
    Part.VERSION: {"docker compose": Value("2.40.3")},
    Part.FILES: {"docker-compose.yml": Value("ab" * 32)},
    Part.RENDERED: {
        "services.api.image": Value("shop/api:v1"),
        "services.api.environment.DB_PASSWORD": Value(SECRET, secret=True),
        "services.jobs.environment.DB_PASSWORD": Value(SECRET, secret=True),
        "services.jobs.image": Value("shop/jobs:v1"),
    },
    Part.ENV_FILE: {"IMAGE_TAG": Value("v1"), "DB_PASSWORD": Value(SECRET, secret=True)},
}
CATALOG: list[tuple[str, ...]] = [("column", "public.orders.id", "integer not null")]


def enter(ledger: Ledger, tag: str = "v1", snapshot: ReleaseSnapshot | str | None = None) -> Path:
    """Add a release with its snapshot to the ledger, and return the snapshot's file."""
    kept = snapshot or ReleaseSnapshot.of(tag, CONFIGURATION, CATALOG)
    known = release(tag) if tag in ("v1", "v2", "v3") else Release(tag, {}, digests("9"))
    change = ledger.add(known, "i-1", None, {}, kept)
    execute(change)
    return Path(change.resource).parent / "releases" / f"{tag}.json"


def changed(**parts: Any) -> Configuration:
    """Return the configuration with changed values by part. None removes a key."""
    found = dict(CONFIGURATION)
    for name, values in parts.items():
        merged = {**found[Part[name]], **values}
        found[Part[name]] = {key: value for key, value in merged.items() if value is not None}
    return found


def test_it_is_private_and_the_ledger_names_it_by_its_hash(tmp_path: Path) -> None:
    """The file has mode 600 and no secret in it, and equal secrets have different hashes."""
    ledger = ledger_of(tmp_path)
    file = enter(ledger)
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == file.parent.parent.stat().st_mode & 0o777 == 0o700
    assert SECRET not in text
    hashes = re.findall(r"[0-9a-f]{64}", text)
    assert len(hashes) == len(set(hashes)) == 4
    assert [path.name for path in file.parent.iterdir()] == ["v1.json"]
    kept = ledger.snapshot(release("v1"))
    assert (kept.tag, kept.catalog) == ("v1", tuple(CATALOG))
    assert kept.differences(CONFIGURATION) == []


def test_schema_that_it_was_taken_at(tmp_path: Path) -> None:
    """The catalog is returned only for the revisions on the same line of the ledger."""
    ledger = ledger_of(tmp_path)
    enter(ledger)
    assert ledger.snapshot_at(release("v1"), ["0002"]) is None
    execute(ledger.add(release("v1"), "i-2", ["0002"], {}, ReleaseSnapshot.of("v1", CONFIGURATION, CATALOG)))
    found = ledger.snapshot_at(release("v1"), ("0002",))
    assert found is not None
    assert found.catalog == tuple(CATALOG)
    assert ledger.snapshot_at(release("v1"), ["0001", "0002"]) is None
    with pytest.raises(Inconclusive, match="has no line for v2"):
        ledger.snapshot_at(release("v2"), ["0002"])


def test_salts_differ(tmp_path: Path) -> None:
    """The same secret has a different hash in each snapshot."""
    ledger = ledger_of(tmp_path)
    first, second = (json.loads(enter(ledger, tag).read_text()) for tag in ("v1", "v2"))
    assert first["salt"] != second["salt"]
    hashed = [each["configuration"]["env file"]["hashed"]["DB_PASSWORD"] for each in (first, second)]
    assert hashed[0] != hashed[1]


@pytest.mark.parametrize(
    ("parts", "differences"),
    [
        pytest.param(
            {"RENDERED": {"services.api.image": Value("shop/api:v2")}, "VERSION": {"docker compose": Value("5.0.0")}},
            [
                Difference(Part.RENDERED, "services.api.image", How.CHANGED, "shop/api:v1", "shop/api:v2"),
                Difference(Part.VERSION, "docker compose", How.CHANGED, "2.40.3", "5.0.0"),
            ],
            id="shown-with-the-version-that-may-explain-it",
        ),
        pytest.param({"VERSION": {"docker compose": Value("5.0.0")}}, [], id="version-alone"),
        pytest.param(
            {"RENDERED": {"services.api.environment.DB_PASSWORD": Value("other", secret=True)}},
            [Difference(Part.RENDERED, "services.api.environment.DB_PASSWORD", How.CHANGED)],
            id="secret",
        ),
        pytest.param(
            {"RENDERED": {"services.api.image": Value("shop/api:v2", secret=True)}},
            [Difference(Part.RENDERED, "services.api.image", How.CHANGED)],
            id="secret-by-now",
        ),
        pytest.param(
            {"RENDERED": {"services.api.environment.DB_PASSWORD": Value(SECRET)}}, [], id="same-and-secret-no-more"
        ),
        pytest.param(
            {"FILES": {"docker-compose.yml": Value("cd" * 32)}},
            [Difference(Part.FILES, "docker-compose.yml", How.CHANGED)],
            id="file",
        ),
        pytest.param(
            {"ENV_FILE": {"DB_PASSWORD": None, "NEW": Value("x", secret=True)}},
            [Difference(Part.ENV_FILE, "DB_PASSWORD", How.REMOVED), Difference(Part.ENV_FILE, "NEW", How.ADDED)],
            id="came-and-went",
        ),
        pytest.param(
            {
                "RENDERED": {
                    "services.jobs.image": None,
                    "services.jobs.environment.DB_PASSWORD": None,
                    "services.new.image": Value("x"),
                    "services.new.init": Value("true"),
                    "services.api.init": Value("true"),
                }
            },
            [
                Difference(Part.RENDERED, "services.jobs", How.REMOVED),
                Difference(Part.RENDERED, "services.api.init", How.ADDED),
                Difference(Part.RENDERED, "services.new", How.ADDED),
            ],
            id="service-as-a-whole",
        ),
        pytest.param(
            {"RENDERED": {'services."api.v2".image': Value("x"), 'services."api.v2".labels.org.example': Value("y")}},
            [Difference(Part.RENDERED, 'services."api.v2"', How.ADDED)],
            id="service-with-a-dot",
        ),
    ],
)
def test_differences(parts: dict[str, Any], differences: list[Difference]) -> None:
    """Differences are listed key by key; values are shown if neither is secret."""
    kept = ReleaseSnapshot.of("v1", CONFIGURATION, CATALOG)
    assert kept.differences(changed(**parts)) == differences


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda file: file.unlink(), "does not exist", id="gone"),
        pytest.param(lambda file: file.write_text("{}"), "its SHA-256 differs", id="other"),
        pytest.param(lambda file: file.write_bytes(b"\xff" * 9), "its SHA-256 differs", id="no-text"),
        pytest.param(lambda file: file.write_text(" " * 9_000_000), "is larger than 8000000 bytes", id="endless"),
    ],
)
def test_damaged_file_is_not_taken_for_the_snapshot(tmp_path: Path, spoil: Any, words: str) -> None:
    """A missing, changed or too large file is refused with the reason."""
    ledger = ledger_of(tmp_path)
    spoil(enter(ledger))
    with pytest.raises(Exception, match=words):
        ledger.snapshot(release("v1"))


def test_file_that_the_ledger_vouches_for_and_that_is_no_snapshot(tmp_path: Path) -> None:
    """A file with the right hash that is not a snapshot is refused, without its content in the error."""
    ledger = ledger_of(tmp_path)
    file = enter(ledger)
    text = json.dumps({"format": "release-snapshot/9", "tag": SECRET})
    old, new = (_sha256(each) for each in (file.read_text(), text))
    file.write_text(text)
    notes = tmp_path / ".runbook" / "known_good.jsonl"
    notes.write_text(notes.read_text().replace(old, new))
    with pytest.raises(Inconclusive, match="cannot be read as a release snapshot") as caught:
        ledger.snapshot(release("v1"))
    assert SECRET not in str(caught.value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({}, "no release snapshot was kept when v1 was validated", id="older-line"),
        pytest.param({"snapshot": {"unknown": "Compose says no"}}, "was validated: Compose says no", id="not-taken"),
        pytest.param({"snapshot": ["../../etc/passwd"]}, "no release snapshot was kept", id="odd"),
        pytest.param({"digests": digests("2")}, "has no line for v1 with these digests", id="other-digests"),
    ],
)
def test_release_without_a_snapshot(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    """A known-good release may have no snapshot; the error says why, if the ledger does."""
    with pytest.raises(Inconclusive, match=words):
        ledger_of(tmp_path, [line("v1", **more)]).snapshot(release("v1"))


def test_too_large_to_be_read_again(tmp_path: Path) -> None:
    """A snapshot that is too large is not written, and the ledger's line says why."""
    ledger = ledger_of(tmp_path)
    large = ReleaseSnapshot.of("v1", CONFIGURATION, [("table", "x" * 8_000_000, "table")])
    assert not enter(ledger, snapshot=large).exists()
    with pytest.raises(Inconclusive, match="at most 8000000 are kept"):
        ledger.snapshot(release("v1"))


def test_only_the_newest_twenty_are_kept(tmp_path: Path) -> None:
    """Writing a snapshot removes those of older lines, and no other file in the folder."""
    ledger = ledger_of(tmp_path)
    files = [enter(ledger, f"r{number}") for number in range(20)]
    other = files[0].parent / "notes.txt"
    other.touch()
    assert all(file.exists() for file in files)
    newest = enter(ledger, "r20")
    assert sorted(path.name for path in newest.parent.iterdir()) == sorted(
        [other.name, *(file.name for file in files[1:]), newest.name]
    )
