"""The ledger of known-good releases and the quarantine, as they lie beside production."""

import json
from pathlib import Path
from typing import Any

import pytest

from runbook.actions import Action, Scope
from runbook.errors import Inconclusive, TargetError
from runbook.polling import wait_for
from runbook.release import ImageName, Release
from runbook.shared_state.ledger import Ledger, PassedOver
from tests.support.parts import host, production

NAMES = {"v1": "1", "v2": "2", "v3": "3"}


def digests(mark: str) -> dict[str, str]:
    return {"api": f"sha256:{mark * 64}", "jobs": f"sha256:{(mark + 'a') * 32}"}


def release(tag: str) -> Release:
    images = {service: ImageName.parse(f"registry.example/shop/{service}:{tag}") for service in ("api", "jobs")}
    return Release(tag, images, digests(NAMES[tag]))


def line(tag: Any, **more: Any) -> dict[str, Any]:
    known = digests(NAMES.get(tag, "9")) if isinstance(tag, str) else {}
    return {"tag": tag, "digests": known, "validated_at": "2025-12-15T10:00:00Z", "validated_by": "i-1"} | more


def quarantined(digest: str, tag: str = "v3") -> dict[str, Any]:
    return {"tag": tag, "service": "api", "digest": digest, "incident": "i-9", "since": "2025-12-17T03:00:00Z"}


def ledger_of(folder: Path, ledger: Any = None, quarantine: Any = None) -> Ledger:
    """What that host remembers; a string is written as it is."""
    for name, lines in (("known_good", ledger), ("quarantine", quarantine)):
        if lines is not None:
            (folder / ".runbook").mkdir(exist_ok=True)
            text = lines if isinstance(lines, str) else "".join(json.dumps(item) + "\n" for item in lines)
            (folder / ".runbook" / f"{name}.jsonl").write_text(text)
    return Ledger(production(folder))


def execute(change: Action) -> None:
    for command in change.actions:
        host().check(command)  # type: ignore[arg-type]


def test_newest_validated_release_is_chosen(tmp_path: Path) -> None:
    """Of the ledger the newest line counts, with its digests and its evidence."""
    choice = ledger_of(tmp_path, [line("v1"), line("v2", validated_at="2025-12-16T10:00:00Z")]).choose(["v3"], None)
    assert choice.chosen.tag == "v2"
    assert choice.chosen.digests == digests("2")
    assert "2025-12-16T10:00:00Z" in choice.chosen.evidence
    assert choice.passed_over == ()


def test_failed_release_is_passed_over_and_said_so(tmp_path: Path) -> None:
    """The release that failed is no target, and the choice says why it was passed over."""
    choice = ledger_of(tmp_path, [line("v1"), line("v2"), line("v3")]).choose(["v2", "v3"], None)
    assert choice.chosen.tag == "v1"
    assert choice.passed_over == (
        PassedOver("v3", "it is the release that failed"),
        PassedOver("v2", "it is the release that failed"),
    )


def test_what_the_ledger_would_have_given_is_passed_over_by_name(tmp_path: Path) -> None:
    """Who names a release passes over the one that would have been chosen; where it is that one, nothing is."""
    remembers = ledger_of(tmp_path, [line("v1"), line("v2"), line("v3")])
    assert remembers.choose(["v3"], "v1").passed_over == (
        PassedOver("v3", "it is the release that failed"),
        PassedOver("v2", "known good, but v1 was asked for by name"),
    )
    assert remembers.choose(["v3"], "v2").passed_over == (PassedOver("v3", "it is the release that failed"),)


def test_quarantined_release_is_passed_over_whatever_its_tag(tmp_path: Path) -> None:
    """A release with all images of one that failed is no target, also under another tag."""
    ledger = [line("v1"), line("v2", digests=digests("3"))]
    failed = [quarantined(digest, tag="other") for digest in digests("3").values()]
    choice = ledger_of(tmp_path, ledger, failed).choose(["v9"], None)
    assert choice.chosen.tag == "v1"
    assert list(map(str, choice.passed_over)) == ["v2: other failed in incident i-9 (2025-12-17T03:00:00Z)"]


def test_release_that_shares_one_image_with_a_failed_one_is_not_barred(tmp_path: Path) -> None:
    """A release that has only some images of the one that failed is another release."""
    failed = [quarantined(digest) for digest in digests("3").values()]
    mended = digests("3") | {"api": digests("1")["api"]}
    choice = ledger_of(tmp_path, [line("v1"), line("v2", digests=mended)], failed).choose(["v9"], None)
    assert choice.chosen.tag == "v2"


def test_rollback_does_not_slide_further_back_by_itself(tmp_path: Path) -> None:
    """What a rollback returned to is not rolled back in turn unless a person names where to."""
    ledger = [line("v1"), line("v2", validated_by="i-9")]
    remembers = ledger_of(tmp_path, ledger, [quarantined(digest) for digest in digests("3").values()])
    with pytest.raises(TargetError, match="is itself what incident i-9 returned to") as caught:
        remembers.choose(["v2"], None)
    assert "--to TAG" in caught.value.next_step
    assert remembers.choose(["v2"], "v1").chosen.tag == "v1"


def test_newest_validation_of_a_tag_counts(tmp_path: Path) -> None:
    """A tag that was validated twice counts with its newest digests."""
    ledger = [line("v1", digests=digests("3")), line("v1"), line("v2")]
    assert ledger_of(tmp_path, ledger).choose(["v2"], None).chosen.digests == digests("1")


@pytest.mark.parametrize(
    ("ledger", "why"),
    [
        pytest.param(None, "no known-good release on the ledger", id="no-ledger"),
        pytest.param([], "no known-good release on the ledger", id="empty-ledger"),
        pytest.param([line("v3")], "v3: it is the release that failed", id="only-what-failed"),
    ],
)
def test_no_target_is_told_with_what_to_type(tmp_path: Path, ledger: Any, why: str) -> None:
    """Where the ledger has no target, it is told which lines were passed over, and that --to names one."""
    with pytest.raises(TargetError, match=why) as caught:
        ledger_of(tmp_path, ledger).choose(["v3"], None)
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
    choice = ledger_of(tmp_path, ledger).choose([failed], "v1")
    assert choice.chosen.tag == "v1"
    assert evidence in choice.chosen.evidence
    assert "--to v1" in choice.chosen.evidence


@pytest.mark.parametrize("tag", ["../../etc", "v1;reboot", "", "--help", ["v1"], {"v": 1}], ids=repr)
def test_hostile_tag_in_the_ledger_is_refused(tmp_path: Path, tag: Any) -> None:
    """What cannot be a tag is not taken from the ledger into a command."""
    with pytest.raises(TargetError, match="cannot be an image tag"):
        ledger_of(tmp_path, [line(tag)]).choose([], None)


def test_hostile_tag_asked_for_is_refused(tmp_path: Path) -> None:
    """The same for a tag from the command line."""
    with pytest.raises(TargetError, match="cannot be an image tag"):
        ledger_of(tmp_path).choose([], "$(id)")


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
    """A ledger that cannot be read leaves the question open, with the line to mend; nothing is guessed."""
    with pytest.raises(Inconclusive, match=rf"known_good\.jsonl: line {number} is not a JSON object"):
        ledger_of(tmp_path, ledger).choose([], None)


def test_broken_quarantine_does_not_count_as_empty(tmp_path: Path) -> None:
    """A quarantine that cannot be read lets no release pass."""
    with pytest.raises(Inconclusive, match=r"quarantine\.jsonl: line 1"):
        ledger_of(tmp_path, [line("v1")], "broken\n").choose([], None)


def test_moved_tag_is_noticed_also_for_a_release_asked_for(tmp_path: Path) -> None:
    """A release that a person names is held to the digests with which it passed its newest validation."""
    ledger = [line("v1", digests=digests("3")), line("v1"), line("v2")]
    assert ledger_of(tmp_path, ledger).choose(["v2"], "v1").chosen.digests == digests("1")
    assert ledger_of(tmp_path).choose(["v2"], "v9").chosen.digests == {}


def test_hostile_line_further_down_stops_nothing(tmp_path: Path) -> None:
    """An old line that cannot be meant does not keep a newer release from being chosen."""
    assert ledger_of(tmp_path, [line("$(id)"), line("v1")]).choose([], None).chosen.tag == "v1"


def test_line_without_digests_is_a_target_to_be_pinned_later(tmp_path: Path) -> None:
    """A line without digests (a person's, say) names a target whose digests are not known yet."""
    assert ledger_of(tmp_path, '{"tag": "v1"}\n').choose([], None).chosen.digests == {}


def test_validated_release_is_entered_and_found_again(tmp_path: Path) -> None:
    """A release entered in the ledger is the next choice, and the ledger keeps what it held."""
    remembers = ledger_of(tmp_path, [line("v1")])
    change = remembers.add(release("v2"), "i-2", None, {})
    assert change.scope is Scope.NOTES
    execute(change)
    assert wait_for(remembers.check_newest("v2", "i-2")).seen.ok
    assert not wait_for(remembers.check_newest("v2", "i-3")).seen.ok
    choice = remembers.choose(["v3"], None)
    assert (choice.chosen.tag, choice.chosen.digests) == ("v2", digests("2"))
    assert remembers.choose(["v2"], None).chosen.tag == "v1"


def test_notes_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """The first note makes its folder, closed to others, and leaves no half-written file."""
    execute(ledger_of(tmp_path).add(release("v1"), "i-1", None, {}))
    folder = tmp_path / ".runbook"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [found.name for found in folder.iterdir()] == ["known_good.jsonl"]


def test_ledger_is_written_by_exactly_these_commands(tmp_path: Path) -> None:
    """The new ledger is written beside the old one and put in its place by one rename."""
    commands = ledger_of(tmp_path).add(release("v1"), "i-1", None, {}).actions
    path = f"{tmp_path}/.runbook/known_good.jsonl"
    assert [command.argv for command in commands] == [  # type: ignore[union-attr]
        ("mkdir", "--parents", "--mode=700", "--", f"{tmp_path}/.runbook"),
        ("rm", "--force", "--", f"{path}.new"),
        ("dd", f"of={path}.new", "conv=excl,fsync", "status=none"),
        ("mv", "--force", "--", f"{path}.new", path),
    ]


def test_failed_release_is_quarantined_once(tmp_path: Path) -> None:
    """Quarantining marks every digest; doing it again finds it done."""
    remembers = ledger_of(tmp_path)
    change = remembers.quarantining(digests("3"), "v3", "i-9")
    assert change.already() is None
    execute(change)
    kept = [json.loads(text) for text in (tmp_path / ".runbook" / "quarantine.jsonl").read_text().splitlines()]
    assert {item["digest"] for item in kept} == set(digests("3").values())
    assert "v3 is in quarantine" in str(remembers.quarantining(digests("3"), "v3", "i-10").already())


def test_digest_known_to_be_bad_is_not_written_twice(tmp_path: Path) -> None:
    """When one of two digests is in quarantine already, only the other is added."""
    remembers = ledger_of(tmp_path, None, [quarantined(digests("3")["api"])])
    change = remembers.quarantining(digests("3"), "v3", "i-9")
    assert change.already() is None
    execute(change)
    kept = [
        json.loads(text)["digest"] for text in (tmp_path / ".runbook" / "quarantine.jsonl").read_text().splitlines()
    ]
    assert sorted(kept) == sorted(digests("3").values())


def test_failed_release_does_not_come_back_unnoticed(tmp_path: Path) -> None:
    """A release in quarantine is refused at once, with the incident in which it failed."""
    remembers = ledger_of(tmp_path, None, [quarantined(digest) for digest in digests("3").values()])
    assert wait_for(remembers.not_quarantined(digests("1"))).seen.ok
    found = wait_for(remembers.not_quarantined(digests("3")))
    assert not found.seen.ok
    assert found.seen.final
    assert "v3 failed in incident i-9" in found.seen.seen


def test_quarantine_can_be_checked(tmp_path: Path) -> None:
    """Whether the failed release is in quarantine is looked up, not believed."""
    remembers = ledger_of(tmp_path, None, [quarantined(digest) for digest in digests("3").values()])
    assert wait_for(remembers.in_quarantine(digests("3"))).seen.ok
    assert not wait_for(remembers.in_quarantine(digests("1"))).seen.ok


def test_what_is_in_quarantine_is_told(tmp_path: Path) -> None:
    """The tag, the digests by service, since when, and the file in which that is written down."""
    lines = [quarantined(digest) for digest in digests("3").values()]
    told = ledger_of(tmp_path, None, lines).quarantined(digests("3") | {"other": "sha256:ff"})
    assert (told["tag"], told["digests"], told["since"]) == ("v3", digests("3"), lines[0]["since"])
    assert told["file"] == f"{tmp_path}/.runbook/quarantine.jsonl"
