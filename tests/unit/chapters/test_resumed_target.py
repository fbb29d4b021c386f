"""The options of a resumed incident: the newest value counts, and switch, direction and target stay."""

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

from harness.resume import _joined, _refuse_other_switch
from harness.session.retyped import Typed
from runbook.chapters import strategy
from runbook.chapters.identify_target import pin_target
from runbook.errors import SettingsError, TargetError
from runbook.incident.facts import Facts
from runbook.incident.options import Options
from runbook.targets.candidate import Candidate

TYPED = Typed(("pytest", "features"))


@pytest.mark.parametrize(
    ("asked", "given", "joined"),
    [
        pytest.param([], Options(target="v1"), Options(target="v1"), id="given"),
        pytest.param([Options(accept_loss="c3")], Options(), Options(accept_loss="c3"), id="kept"),
        pytest.param([Options(because="a")], Options(because="b"), Options(because="b"), id="newest"),
        pytest.param([Options(enable="exports")], Options(disable="exports"), Options(disable="exports"), id="switch"),
        pytest.param([Options(forward_fix="v3")], Options(target="v1"), Options(target="v1"), id="target"),
        pytest.param([Options(override=("1.1.1",))], Options(), Options(), id="overrides-are-facts"),
    ],
)
def test_newest_word_counts(asked: list[Options], given: Options, joined: Options) -> None:
    """Of two options that exclude each other, only the newer one is kept."""
    assert _joined([asdict(options) for options in asked], given) == joined


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param(Options(disable="exports"), Options(enable="exports"), id="other-way"),
        pytest.param(Options(), Options(enable="exports"), id="bare-emergency-turned-round"),
        pytest.param(Options(disable="exports"), Options(disable="reports"), id="other-switch"),
    ],
)
def test_incident_turns_one_switch_one_way(asked: Options, given: Options) -> None:
    """Another switch, or the other direction, needs another incident."""
    with pytest.raises(SettingsError, match="one switch in one direction"):
        _refuse_other_switch("i-1", asked, given, TYPED)
    _refuse_other_switch("i-1", asked, Options(), TYPED)
    _refuse_other_switch("i-1", asked, asked, TYPED)


def context(tag: str, digest: str) -> Any:
    """The parts that `identify` reads in a resumed incident from v2 to v1, on a production that runs `tag`."""
    target = {"tag": "v1", "images": {"api": "registry.example/api:v1"}, "digests": {"api": "sha256:1"}}
    facts = Facts.model_validate(
        {
            "before": {"tags": ["v2"], "digests": {"api": "sha256:2"}},
            "found again": {"tags": [tag], "digests": {"api": digest}},
            "origin": {"tags": ["v2"], "digests": {"api": "sha256:2"}},
            "target": target,
        }
    )
    incident = SimpleNamespace(facts=facts, record_decision=lambda *_: None, record_fact=facts.put)
    return SimpleNamespace(incident=incident, quarantine=SimpleNamespace(reason=lambda _digests: None))


@pytest.mark.parametrize(("tag", "digest"), [("v2", "sha256:2"), ("v1", "sha256:1"), ("v1", "sha256:2")])
def test_incident_goes_on_with_the_releases_that_it_knows(tag: str, digest: str) -> None:
    """A resumed incident continues on the failed release, the target, or a mix of both."""
    assert pin_target(context(tag, digest), None).tag == "v1"


@pytest.mark.parametrize(("tag", "digest"), [("v3", "sha256:3"), ("v2", "sha256:9")])
def test_release_of_somebody_else_is_not_rolled_back_unseen(tag: str, digest: str) -> None:
    """A release that was deployed meanwhile, also under an old tag, stops a resumed incident."""
    found = context(tag, digest)
    with pytest.raises(TargetError, match="since this incident was interrupted, another release runs"):
        pin_target(found, None)
    assert found.incident.facts.begin_anew.options == ()


@pytest.mark.parametrize("left", ["v0", None])
def test_target_in_quarantine_by_now_is_not_gone_on_to(left: str | None) -> None:
    """If the target is in quarantine now, a new plan is offered, for the newest good release if the ledger has one."""
    found = context("v2", "sha256:2")
    failed = {("sha256:1",): "it failed in incident i-0"}
    found.quarantine = SimpleNamespace(reason=lambda digests: failed.get(tuple(digests)), incidents=set)
    good = [Candidate("v0", {"api": "sha256:0"}, "on the ledger")] if left else []
    found.ledger = SimpleNamespace(candidates=lambda: good)
    with pytest.raises(TargetError, match="in quarantine now"):
        pin_target(found, None)
    assert found.incident.facts.begin_anew.options == ("--to", left or "TAG")


def test_schema_that_somebody_migrated_is_not_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the database is at a revision that the strategy does not expect, only a new plan is possible."""
    monkeypatch.setattr(
        strategy.migration_facts, "of", lambda _tools: SimpleNamespace(database=("c3",), target=None, failed=None)
    )
    found = context("v2", "sha256:2")
    found.incident.facts.put("strategy", "image-only")
    found.incident.facts.put("schema found again", ["c3"])
    assert strategy._decided_before(found).ok
    assert found.incident.facts.begin_anew is None
    found.incident.facts.put("schema found again", ["d4"])
    assert not strategy._decided_before(found).ok
    assert "is at d4" in found.incident.facts.begin_anew.why


def test_what_an_incident_first_saw_is_no_other_release() -> None:
    """A release that the incident saw at its start, from an earlier interrupted rollback, does not stop it."""
    found = context("v3", "sha256:3")
    found.incident.facts.put("first seen", {"tags": ["v2", "v3"], "digests": {"api": "sha256:3"}})
    assert pin_target(found, None).tag == "v1"
