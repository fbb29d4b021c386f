"""The candidates of all sources in one list: their order, and what is never chosen without being named."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runbook.errors import TargetError
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.ranking import Against, Ranked, Situation, as_listed, by_level, rank
from runbook.targets.selection import Choice, choose_from, resolve_tag

ONE, TWO, BAD = (f"sha256:{mark * 64}" for mark in "12b")
HOST = "linux/amd64"


def at(day: int) -> datetime:
    return datetime(2025, 12, day, tzinfo=UTC)


def built(tag: str, day: int | None = None, source: str = "registry", **more: object) -> Candidate:
    found = Candidate(tag, {}, f"{source} has it", source=source, time=at(day) if day else None)
    return replace(found, **more)  # type: ignore[arg-type]  # members of a Candidate


def validated(tag: str, **more: object) -> Candidate:
    return built(tag, 1, "the ledger", kind=Kind.VALIDATED, **more)


def ranked(*candidates: Candidate, failed: str = "v9", running: dict[str, str] | None = None) -> list[Ranked]:
    situation = Situation([failed], [failed], running or {}, HOST)
    return rank(candidates, situation, lambda digests: "it failed in i-0" if BAD in digests else None)


def tags(found: list[Ranked]) -> list[str]:
    return [one.tag for one in found]


def chosen(*candidates: Candidate) -> Choice:
    return choose_from(ranked(*candidates), None)


def test_validated_comes_before_deployed_before_built_then_the_newest() -> None:
    """Stronger evidence comes first, then the newer release."""
    deployed = built("v3", 3, "CI", kind=Kind.DEPLOYED)
    found = ranked(built("v8", 8), built("v5", 5), deployed, validated("v1"), built("v0"))
    assert tags(found) == ["v1", "v3", "v8", "v5", "v0"]


def test_validated_ones_keep_the_ledgers_order_whatever_the_clocks_said() -> None:
    """Validated releases keep the ledger's order, whatever their times."""
    assert tags(ranked(validated("v2", time=at(1)), validated("v1", time=at(5)))) == ["v2", "v1"]


def test_what_several_sources_know_of_a_release_is_one_candidate() -> None:
    """Several sources of a release give one candidate, with the strongest kind and all the evidence."""
    (found,) = ranked(built("v1", 2), validated("v1", digests={"api": ONE}), built("v1", 1, "CI"))
    candidate = found.as_candidate()
    assert candidate.kind is Kind.VALIDATED
    assert candidate.digests == {"api": ONE}
    assert candidate.evidence == "the ledger has it; registry has it; CI has it"


@pytest.mark.parametrize(
    ("barred", "against"),
    [
        pytest.param([built("v9", 4)], Against.FAILED, id="failed"),
        pytest.param([built("v8", 4, digests={"api": TWO})], Against.RUNNING, id="running"),
        pytest.param([built("v8", 4, digests={"api": BAD})], Against.QUARANTINED, id="quarantined"),
        pytest.param([built("v8", 4, platforms=("linux/arm64",))], Against.OTHER_PLATFORM, id="platform"),
        pytest.param([built("v8", 4, lacks=("jobs",))], Against.LACKS_IMAGES, id="lacks"),
        pytest.param(
            [built("v8", 4, "CI", digests={"api": ONE}), built("v8", 4, digests={"api": BAD.replace("b", "3")})],
            Against.OTHER_DIGEST,
            id="moved since it was built",
        ),
        pytest.param([built("v10", 12), built("v9", 9)], Against.NEWER, id="newer than what failed"),
        pytest.param([built("v10", 12, "CI"), built("v9", 9)], Against.NEWER, id="newer by what another source says"),
    ],
)
def test_what_speaks_against_a_release_keeps_it_from_being_chosen(barred: list[Candidate], against: Against) -> None:
    """A barred release is passed over with the reason and listed last, but can be chosen by name."""
    found = ranked(*barred, built("v1", 1), running={"api": TWO})
    assert found[0].tag == barred[0].tag
    assert found[0].bar is not None
    assert found[0].bar.against is against
    choice = choose_from(found, None)
    assert choice.chosen.tag == "v1"
    assert choice.passed_over[0].why == found[0].bar.why
    assert tags(as_listed(found))[0] == "v1"
    named = choose_from(found, barred[0].tag).chosen
    assert f"but {found[0].bar.why}" in named.evidence


def test_tag_that_was_moved_since_its_validation_stops_the_choice() -> None:
    """A moved tag stops the choice instead of an older release being chosen, unless a person names one."""
    moved = [validated("v8", digests={"api": ONE}), built("v8", 4, digests={"api": TWO}), validated("v1")]
    with pytest.raises(TargetError, match=f"v8 would be the target, but api is {TWO} in registry, and was {ONE}"):
        chosen(*moved)
    assert choose_from(ranked(*moved), "v1").chosen.tag == "v1"


def test_clocks_of_one_source_are_compared_before_those_of_several() -> None:
    """Times from one source decide first, because a log is written minutes after its image was built."""
    found = ranked(built("v8", 7, "CI"), built("v9", 8, "CI"), built("v9", 6), built("v8", 5))
    assert {one.tag: one.bar for one in found}["v8"] is None


@pytest.mark.parametrize("in_order", [True, False])
def test_order_of_a_log_without_times_tells_what_is_newer(*, in_order: bool) -> None:
    """In an ordered log without times, a release after the failed one counts as newer."""
    log = [built(tag, source="log", in_order=in_order) for tag in ("v10", "v9", "v8")]
    found = {one.tag: one for one in ranked(*log)}
    newer = found["v10"].bar
    assert (newer and newer.against) == (Against.NEWER if in_order else None)
    assert found["v8"].bar is None


def test_newest_mention_of_what_failed_counts() -> None:
    """A failed release that was built again is as new as its last build."""
    log = [built("v9", 9, "CI"), built("v8", 8, "CI"), built("v9", 7, "CI")]
    assert {one.tag: one.bar for one in ranked(*log)}["v8"] is None


def test_failed_release_under_another_tag_is_not_chosen() -> None:
    """A tag with the images that failed is barred, even if other images run by now."""
    alias = built("stable", 4, digests={"api": TWO, "jobs": ONE})
    situation = Situation(["v9"], ["v8"], {"api": ONE}, HOST, {"api": TWO, "jobs": ONE})
    found = rank([alias, built("v1", 1)], situation, lambda _digests: None)
    assert found[0].bar is not None
    assert (found[0].tag, found[0].bar.against) == ("stable", Against.FAILED)
    assert choose_from(found, None).chosen.tag == "v1"


def test_image_of_one_platform_of_the_failed_release_is_not_chosen() -> None:
    """A tag of one image in the failed release's index, such as `v9-amd64`, is barred."""
    index = built("v9", 9, digests={"api": BAD.replace("b", "4")}, members=(ONE, TWO))
    part = built("v9-amd64", 9, digests={"api": ONE})
    found = {one.tag: one.bar for one in ranked(index, part, built("v1", 1))}["v9-amd64"]
    assert found is not None
    assert (found.against, found.why) == (
        Against.FAILED, "it has the images of the failed release, under another tag",
    )  # fmt: skip


def test_old_copy_on_the_host_speaks_against_nothing() -> None:
    """A host's copy with another digest is no objection, because a pull is checked against the digest anyway."""
    copy = built("v1", 1, "host", digests={"api": TWO}, copies=True)
    (found,) = ranked(validated("v1", digests={"api": ONE}), copy)
    assert found.bar is None
    (found,) = ranked(built("v1", 1, digests={"api": ONE}), copy)
    assert (found.bar, found.as_candidate().digests) == (None, {"api": ONE})


def test_digest_that_one_source_confirms_is_believed() -> None:
    """Another digest in one source is no objection if a second source confirms the validated one."""
    one, other = {"api": ONE}, {"api": TWO}
    found = ranked(validated("v1", digests=one), built("v1", 1, "CI", digests=other), built("v1", 1, digests=one))
    assert found[0].bar is None


def test_level_as_before_is_preferred_among_the_same_kind() -> None:
    """A candidate at the earlier migrations level comes first among its kind; another level is said, but no bar."""
    levels = {"v1": ("b2",), "v2": ("c3",), "v3": ("a1",), "v4": None}
    known = ranked(built("v4", 4), built("v3", 3), built("v2", 2), validated("v1"))
    found = by_level([replace(one, level=levels[one.tag]) for one in known], ("c3",))
    assert tags(found) == ["v1", "v2", "v4", "v3"]
    assert found[0].objections[-1].why == "its migrations level is b2, and production was at c3 before"
    assert found[0].bar is None
    assert tags(by_level(found, None)) == tags(found)
    (without,) = by_level([replace(known[0], level=())], ("c3",))
    assert without.objections[-1].why == "its migrations level is none, and production was at c3 before"


def test_ledger_from_before_it_named_levels_keeps_its_order() -> None:
    """An unknown migrations level does not move the newest entry back."""
    known = ranked(validated("v2"), validated("v1"))
    found = by_level([replace(known[0], level=None), replace(known[1], level=("b2",))], ("b2",))
    assert tags(found) == ["v2", "v1"]


def test_nothing_to_choose_is_told_with_every_reason() -> None:
    """Without a target, the error has every reason, and the sources that are down."""
    with pytest.raises(TargetError, match=r"or in another source \(v9: it is the failed release\); CI is down"):
        choose_from(ranked(built("v9", 1)), None, "; CI is down")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("2", "v2"), ("1", "v1"), ("3", "3"), ("0", "0"), ("02", "02"), ("6", "6"), ("v2", "v2"), ("²", "²")],
)
def test_number_of_the_list_names_its_release(word: str, meant: str) -> None:
    """A number means the candidate at that place of the list, unless it is itself a known tag."""
    listed = [Ranked((built(tag),)) for tag in ("v1", "v2", "3", "v4", "v5", "v6")]
    assert resolve_tag(listed, word) == meant
