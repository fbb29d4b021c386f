"""The quarantine on the production host."""

import json
from pathlib import Path

from runbook.polling import wait_for
from tests.support.notes import digests, execute, quarantine_of, quarantined


def test_failed_release_is_quarantined_once(tmp_path: Path) -> None:
    """All digests of the release are quarantined; a second time it is already done."""
    quarantine = quarantine_of(tmp_path)
    change = quarantine.add(digests("3"), "v3", "i-9")
    assert change.already() is None
    execute(change)
    kept = [json.loads(text) for text in (tmp_path / ".runbook" / "quarantine.jsonl").read_text().splitlines()]
    assert {item["digest"] for item in kept} == set(digests("3").values())
    assert "v3 is in quarantine" in str(quarantine.add(digests("3"), "v3", "i-10").already())


def test_digest_known_to_be_bad_is_not_written_twice(tmp_path: Path) -> None:
    """If one of two digests is already in quarantine, only the other is added."""
    quarantine = quarantine_of(tmp_path, [quarantined(digests("3")["api"])])
    change = quarantine.add(digests("3"), "v3", "i-9")
    assert change.already() is None
    execute(change)
    kept = [
        json.loads(text)["digest"] for text in (tmp_path / ".runbook" / "quarantine.jsonl").read_text().splitlines()
    ]
    assert sorted(kept) == sorted(digests("3").values())


def test_failed_release_does_not_come_back_unnoticed(tmp_path: Path) -> None:
    """A release in quarantine fails the check at once, with the incident in which it failed."""
    quarantine = quarantine_of(tmp_path, [quarantined(digest) for digest in digests("3").values()])
    assert wait_for(quarantine.check_not_quarantined(digests("1"))).seen.ok
    found = wait_for(quarantine.check_not_quarantined(digests("3")))
    assert not found.seen.ok
    assert found.seen.final
    assert "v3 failed in incident i-9" in found.seen.seen


def test_quarantine_can_be_checked(tmp_path: Path) -> None:
    """The check passes for a release in quarantine, and fails for another."""
    quarantine = quarantine_of(tmp_path, [quarantined(digest) for digest in digests("3").values()])
    assert wait_for(quarantine.check_quarantined(digests("3"))).seen.ok
    assert not wait_for(quarantine.check_quarantined(digests("1"))).seen.ok


def test_what_is_in_quarantine_is_told(tmp_path: Path) -> None:
    """The entry has the tag, the digests by service, the time, and the file."""
    lines = [quarantined(digest) for digest in digests("3").values()]
    told = quarantine_of(tmp_path, lines).entries(digests("3") | {"other": "sha256:ff"})
    assert (told["tag"], told["digests"], told["since"]) == ("v3", digests("3"), lines[0]["since"])
    assert told["file"] == f"{tmp_path}/.runbook/quarantine.jsonl"
