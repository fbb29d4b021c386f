"""The choice of the target, and the releases that are passed over."""

from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Inconclusive, TargetError
from runbook.targets.selection import PassedOver
from tests.support.notes import Remembered, digests, line, quarantined


def test_newest_validated_release_is_chosen(tmp_path: Path) -> None:
    """The newest line of the ledger is chosen, with its digests and evidence."""
    choice = Remembered(tmp_path, [line("v1"), line("v2", validated_at="2025-12-16T10:00:00Z")]).choose(["v3"], None)
    assert choice.chosen.tag == "v2"
    assert choice.chosen.digests == digests("2")
    assert "2025-12-16T10:00:00Z" in choice.chosen.evidence
    assert choice.passed_over == ()


def test_failed_release_is_passed_over_and_said_so(tmp_path: Path) -> None:
    """The failed release is passed over with the reason."""
    choice = Remembered(tmp_path, [line("v1"), line("v2"), line("v3")]).choose(["v2", "v3"], None)
    assert choice.chosen.tag == "v1"
    assert choice.passed_over == (
        PassedOver("v3", "it is the failed release"),
        PassedOver("v2", "it is the failed release"),
    )


def test_what_the_ledger_would_have_given_is_passed_over_by_name(tmp_path: Path) -> None:
    """A release chosen by name passes over the default choice, unless it is the same."""
    remembers = Remembered(tmp_path, [line("v1"), line("v2"), line("v3")])
    assert remembers.choose(["v3"], "v1").passed_over == (
        PassedOver("v3", "it is the failed release"),
        PassedOver("v2", "known good, but v1 was requested by name"),
    )
    assert remembers.choose(["v3"], "v2").passed_over == (PassedOver("v3", "it is the failed release"),)


def test_quarantined_release_is_passed_over_whatever_its_tag(tmp_path: Path) -> None:
    """A release with all images of a failed one is passed over, under any tag."""
    ledger = [line("v1"), line("v2", digests=digests("3"))]
    failed = [quarantined(digest, tag="other") for digest in digests("3").values()]
    choice = Remembered(tmp_path, ledger, failed).choose(["v9"], None)
    assert choice.chosen.tag == "v1"
    assert list(map(str, choice.passed_over)) == ["v2: other failed in incident i-9 (2025-12-17T03:00:00Z)"]


def test_release_that_shares_one_image_with_a_failed_one_is_not_barred(tmp_path: Path) -> None:
    """A release with only some images of a failed one is not barred."""
    failed = [quarantined(digest) for digest in digests("3").values()]
    mended = digests("3") | {"api": digests("1")["api"]}
    choice = Remembered(tmp_path, [line("v1"), line("v2", digests=mended)], failed).choose(["v9"], None)
    assert choice.chosen.tag == "v2"


def test_rollback_does_not_slide_further_back_by_itself(tmp_path: Path) -> None:
    """The target of an earlier rollback is rolled back only to a release that a person names."""
    ledger = [line("v1"), line("v2", validated_by="i-9")]
    remembers = Remembered(tmp_path, ledger, [quarantined(digest) for digest in digests("3").values()])
    with pytest.raises(TargetError, match="is itself the target of incident i-9") as caught:
        remembers.choose(["v2"], None)
    assert "--to TAG" in caught.value.next_step
    assert remembers.choose(["v2"], "v1").chosen.tag == "v1"


def test_newest_validation_of_a_tag_counts(tmp_path: Path) -> None:
    """A tag that was validated twice has the digests of the newer validation."""
    ledger = [line("v1", digests=digests("3")), line("v1"), line("v2")]
    assert Remembered(tmp_path, ledger).choose(["v2"], None).chosen.digests == digests("1")


@pytest.mark.parametrize(
    ("ledger", "why"),
    [
        pytest.param(None, "no known-good release on the ledger", id="no-ledger"),
        pytest.param([], "no known-good release on the ledger", id="empty-ledger"),
        pytest.param([line("v3")], "v3: it is the failed release", id="only-what-failed"),
    ],
)
def test_no_target_is_told_with_what_to_type(tmp_path: Path, ledger: Any, why: str) -> None:
    """Without a target, the error has the reason and the option --to."""
    with pytest.raises(TargetError, match=why) as caught:
        Remembered(tmp_path, ledger).choose(["v3"], None)
    assert "--to TAG" in caught.value.next_step


@pytest.mark.parametrize(
    ("ledger", "failed", "evidence"),
    [
        pytest.param(
            [line("v1"), line("v2")],
            "v3",
            "on the ledger: passed its own validation at 2025-12-15T10:00:00Z",
            id="known",
        ),
        pytest.param(None, "v3", "not on the ledger", id="unknown"),
        pytest.param([line("v1")], "v1", "on the ledger", id="runs-already"),
        pytest.param([line("$(id)"), line("v1")], "v3", "on the ledger", id="beside-a-hostile-line"),
    ],
)
def test_release_asked_for_by_name_is_chosen(tmp_path: Path, ledger: Any, failed: str, evidence: str) -> None:
    """A release named by a person is chosen; the ledger's entry, or its absence, is the evidence."""
    choice = Remembered(tmp_path, ledger).choose([failed], "v1")
    assert choice.chosen.tag == "v1"
    assert evidence in choice.chosen.evidence
    assert "--to v1" in choice.chosen.evidence


@pytest.mark.parametrize("tag", ["../../etc", "v1;reboot", "", "--help", ["v1"], {"v": 1}], ids=repr)
def test_hostile_tag_in_the_ledger_is_refused(tmp_path: Path, tag: Any) -> None:
    """An invalid tag in the ledger is refused."""
    with pytest.raises(TargetError, match="is not a valid image tag"):
        Remembered(tmp_path, [line(tag)]).choose([], None)


def test_hostile_tag_asked_for_is_refused(tmp_path: Path) -> None:
    """An invalid tag from the command line is refused."""
    with pytest.raises(TargetError, match="is not a valid image tag"):
        Remembered(tmp_path).choose([], "$(id)")


def test_broken_quarantine_does_not_count_as_empty(tmp_path: Path) -> None:
    """An unreadable quarantine is inconclusive, and does not count as empty."""
    with pytest.raises(Inconclusive, match=r"quarantine\.jsonl: line 1"):
        Remembered(tmp_path, [line("v1")], "broken\n").choose([], None)


def test_moved_tag_is_noticed_also_for_a_release_asked_for(tmp_path: Path) -> None:
    """A release named by a person must have the digests of its newest validation."""
    ledger = [line("v1", digests=digests("3")), line("v1"), line("v2")]
    assert Remembered(tmp_path, ledger).choose(["v2"], "v1").chosen.digests == digests("1")
    assert Remembered(tmp_path).choose(["v2"], "v9").chosen.digests == {}


def test_hostile_line_further_down_stops_nothing(tmp_path: Path) -> None:
    """An older line with an invalid tag does not prevent the choice of a newer release."""
    assert Remembered(tmp_path, [line("$(id)"), line("v1")]).choose([], None).chosen.tag == "v1"


def test_line_without_digests_is_a_target_to_be_pinned_later(tmp_path: Path) -> None:
    """A line without digests gives a target without digests, which are looked up later."""
    assert Remembered(tmp_path, '{"tag": "v1"}\n').choose([], None).chosen.digests == {}
