"""Which release is chosen as the target, and what is passed over."""

from pathlib import Path
from typing import Any

import pytest

from runbook.errors import Inconclusive, TargetError
from runbook.targets.selection import PassedOver
from tests.support.notes import Remembered, digests, line, quarantined


def test_newest_validated_release_is_chosen(tmp_path: Path) -> None:
    """Of the ledger the newest line counts, with its digests and its evidence."""
    choice = Remembered(tmp_path, [line("v1"), line("v2", validated_at="2025-12-16T10:00:00Z")]).choose(["v3"], None)
    assert choice.chosen.tag == "v2"
    assert choice.chosen.digests == digests("2")
    assert "2025-12-16T10:00:00Z" in choice.chosen.evidence
    assert choice.passed_over == ()


def test_failed_release_is_passed_over_and_said_so(tmp_path: Path) -> None:
    """The release that failed is no target, and the choice says why it was passed over."""
    choice = Remembered(tmp_path, [line("v1"), line("v2"), line("v3")]).choose(["v2", "v3"], None)
    assert choice.chosen.tag == "v1"
    assert choice.passed_over == (
        PassedOver("v3", "it is the failed release"),
        PassedOver("v2", "it is the failed release"),
    )


def test_what_the_ledger_would_have_given_is_passed_over_by_name(tmp_path: Path) -> None:
    """Who names a release passes over the one that would have been chosen; where it is that one, nothing is."""
    remembers = Remembered(tmp_path, [line("v1"), line("v2"), line("v3")])
    assert remembers.choose(["v3"], "v1").passed_over == (
        PassedOver("v3", "it is the failed release"),
        PassedOver("v2", "known good, but v1 was requested by name"),
    )
    assert remembers.choose(["v3"], "v2").passed_over == (PassedOver("v3", "it is the failed release"),)


def test_quarantined_release_is_passed_over_whatever_its_tag(tmp_path: Path) -> None:
    """A release with all images of one that failed is no target, also under another tag."""
    ledger = [line("v1"), line("v2", digests=digests("3"))]
    failed = [quarantined(digest, tag="other") for digest in digests("3").values()]
    choice = Remembered(tmp_path, ledger, failed).choose(["v9"], None)
    assert choice.chosen.tag == "v1"
    assert list(map(str, choice.passed_over)) == ["v2: other failed in incident i-9 (2025-12-17T03:00:00Z)"]


def test_release_that_shares_one_image_with_a_failed_one_is_not_barred(tmp_path: Path) -> None:
    """A release that has only some images of the one that failed is another release."""
    failed = [quarantined(digest) for digest in digests("3").values()]
    mended = digests("3") | {"api": digests("1")["api"]}
    choice = Remembered(tmp_path, [line("v1"), line("v2", digests=mended)], failed).choose(["v9"], None)
    assert choice.chosen.tag == "v2"


def test_rollback_does_not_slide_further_back_by_itself(tmp_path: Path) -> None:
    """What a rollback returned to is not rolled back in turn unless a person names where to."""
    ledger = [line("v1"), line("v2", validated_by="i-9")]
    remembers = Remembered(tmp_path, ledger, [quarantined(digest) for digest in digests("3").values()])
    with pytest.raises(TargetError, match="is itself the target of incident i-9") as caught:
        remembers.choose(["v2"], None)
    assert "--to TAG" in caught.value.next_step
    assert remembers.choose(["v2"], "v1").chosen.tag == "v1"


def test_newest_validation_of_a_tag_counts(tmp_path: Path) -> None:
    """A tag that was validated twice counts with its newest digests."""
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
    """Where the ledger has no target, it is told which lines were passed over, and that --to names one."""
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
    """A release that a person names is chosen whatever the ledger says; what it says becomes the evidence."""
    choice = Remembered(tmp_path, ledger).choose([failed], "v1")
    assert choice.chosen.tag == "v1"
    assert evidence in choice.chosen.evidence
    assert "--to v1" in choice.chosen.evidence


@pytest.mark.parametrize("tag", ["../../etc", "v1;reboot", "", "--help", ["v1"], {"v": 1}], ids=repr)
def test_hostile_tag_in_the_ledger_is_refused(tmp_path: Path, tag: Any) -> None:
    """What cannot be a tag is not taken from the ledger into a command."""
    with pytest.raises(TargetError, match="is not a valid image tag"):
        Remembered(tmp_path, [line(tag)]).choose([], None)


def test_hostile_tag_asked_for_is_refused(tmp_path: Path) -> None:
    """The same for a tag from the command line."""
    with pytest.raises(TargetError, match="is not a valid image tag"):
        Remembered(tmp_path).choose([], "$(id)")


def test_broken_quarantine_does_not_count_as_empty(tmp_path: Path) -> None:
    """A quarantine that cannot be read lets no release pass."""
    with pytest.raises(Inconclusive, match=r"quarantine\.jsonl: line 1"):
        Remembered(tmp_path, [line("v1")], "broken\n").choose([], None)


def test_moved_tag_is_noticed_also_for_a_release_asked_for(tmp_path: Path) -> None:
    """A release that a person names is held to the digests with which it passed its newest validation."""
    ledger = [line("v1", digests=digests("3")), line("v1"), line("v2")]
    assert Remembered(tmp_path, ledger).choose(["v2"], "v1").chosen.digests == digests("1")
    assert Remembered(tmp_path).choose(["v2"], "v9").chosen.digests == {}


def test_hostile_line_further_down_stops_nothing(tmp_path: Path) -> None:
    """An old line that cannot be meant does not keep a newer release from being chosen."""
    assert Remembered(tmp_path, [line("$(id)"), line("v1")]).choose([], None).chosen.tag == "v1"


def test_line_without_digests_is_a_target_to_be_pinned_later(tmp_path: Path) -> None:
    """A line without digests (a person's, say) names a target whose digests are not known yet."""
    assert Remembered(tmp_path, '{"tag": "v1"}\n').choose([], None).chosen.digests == {}
