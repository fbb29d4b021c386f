"""Before a deploy: could production come back from the release, how, and what would be lost? Nothing changes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.incidents.database import sql
from rehearsal.practice_production import PracticeProduction
from tests.engine.conftest import Ran, Rehearsed, state
from tests.engine.judging import headline, registry_digest, words
from tests.engine.shop import Shop

LIVE, MIGRATES_AT_START = "2025-12-15-rc1", "2025-12-16-rc1"
SAME_SCHEMA, ADDITIVE, BREAKING, IRREVERSIBLE = "2025-12-18-rc1", "2025-12-19-rc1", "2025-12-20-rc1", "2025-12-21-rc1"


def live(shop: Shop, tag: str, folder: Path) -> Rehearsed:
    """Return production with that release live, ready and validated, and no fault."""
    shop.rehearsed = None
    shop.live(tag)
    shop.practice.deploy(tag)
    shop.practice.wait_ready(tag)
    here = Rehearsed(shop.practice, folder / "reports")
    here.reports.mkdir()
    return here


@pytest.fixture(scope="module")
def here(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """Production before the next deploy."""
    return live(shop, LIVE, tmp_path_factory.mktemp("pre_deploy"))


@pytest.fixture
def untouched(here: Rehearsed) -> Iterator[Rehearsed]:
    """The same production, which must be unchanged afterwards: containers, env file, gate, schema, rows and notes."""
    before = state(here)
    yield here
    assert state(here) == before


def ask(here: Rehearsed, tag: str, *more: str) -> Ran:
    """Build and push the release, as CI does, and run the pre-deploy validation."""
    practice: PracticeProduction = here.practice
    practice.publish(tag)
    return here.run("-m", "pre_deploy", "--release", tag, *more)


def test_release_without_migrations(untouched: Rehearsed) -> None:
    """Only the image would go back, and nothing would be lost."""
    ran = ask(untouched, SAME_SCHEMA)
    assert ran.exit_code == 0, ran.terminal
    assert (ran.fact("verdict")["verdict"], ran.fact("strategy"), ran.fact("loss")) == ("unchanged", "image-only", [])
    assert (ran.fact("target")["tag"], ran.fact("release to deploy")["tag"]) == (LIVE, SAME_SCHEMA)
    assert f"a rollback from {SAME_SCHEMA} to {LIVE} reverts the image and keeps the schema" in words(ran)
    assert headline(ran) == f"Could be rolled back: from {SAME_SCHEMA} to {LIVE}, strategy image-only"
    for service in ("api", "jobs"):
        assert ran.fact("release to deploy")["digests"][service] == registry_digest(untouched, service, SAME_SCHEMA)


def test_additive_release(untouched: Rehearsed) -> None:
    """What the release adds stays, and the running release works with it."""
    ran = ask(untouched, ADDITIVE)
    assert ran.exit_code == 0, ran.terminal
    assert (ran.fact("verdict")["verdict"], ran.fact("strategy"), ran.fact("loss")) == ("additive", "image-only", [])
    assert f"{ADDITIVE} would bring the database to 0004_discounts; the target expects 0003_heartbeats" in words(ran)


def test_breaking_release_with_a_downgrade(untouched: Rehearsed) -> None:
    """The release could be undone. What its migrations and the downgrade destroy is named and counted in rows."""
    ran = ask(untouched, BREAKING)
    assert ran.exit_code == 0, ran.terminal
    assert (ran.fact("verdict")["verdict"], ran.fact("strategy")) == ("breaking", "downgrade")
    orders = sql(untouched.practice, "SELECT count(*) FROM orders")[0]
    loss = ran.fact("loss")
    assert f"column orders.customer: {orders} rows hold values; the migrations of {BREAKING} destroy them" in loss
    assert "table customers: an unknown number of rows hold values; the downgrade would destroy them" in loss
    assert "downgrades the schema to 0003_heartbeats, then reverts the image" in words(ran)
    assert f"or, if a person chooses it, the schema stays, relaxed for {LIVE}, and nothing is lost" in words(ran)
    assert ran.fact("bridge")["relaxed"]
    assert ran.fact("verdict")["no_bridge"] == ""


def test_release_that_cannot_be_undone(untouched: Rehearsed) -> None:
    """A breaking migration with a downgrade() that does nothing must not be deployed."""
    ran = ask(untouched, IRREVERSIBLE)
    assert ran.exit_code == 1, ran.terminal
    assert "downgrade() of 0004_euro_only is empty" in words(ran)
    assert "do not deploy it: write the downgrade()" in words(ran)
    assert f"{IRREVERSIBLE} could not be rolled back; once that is fixed, type:" in words(ran)
    assert f"-m pre_deploy --release {IRREVERSIBLE}" in ran.terminal


def test_tag_that_was_never_pushed(untouched: Rehearsed) -> None:
    """The registry is queried, and reports that it has no such tag."""
    ran = untouched.run("-m", "pre_deploy", "--release", "2031-01-01-rc1")
    assert ran.exit_code == 1, ran.terminal
    assert "2031-01-01-rc1" in ran.terminal
    assert not [entry for entry in ran.of_kind("action") if entry["state"] == "begun"]


def test_release_that_runs_already(untouched: Rehearsed) -> None:
    """There is nothing to come back from."""
    ran = ask(untouched, LIVE)
    assert ran.exit_code == 0, ran.terminal
    assert ran.of_kind("closed")[-1]["outcome"] == "nothing to do"
    assert f"{LIVE} already runs" in words(ran)


def test_quarantined_release_is_refused_before_it_is_deployed(here: Rehearsed) -> None:
    """Its digests failed before: the run stops at the first scenario, and its images are not pulled."""
    here.practice.publish(ADDITIVE)
    notes = here.practice.server / ".runbook" / "quarantine.jsonl"
    before = notes.read_bytes() if notes.exists() else None
    lines = [
        {"tag": ADDITIVE, "service": service, "digest": registry_digest(here, service, ADDITIVE), "incident": "i-9"}
        | {"since": "2025-12-17T03:00:00Z"}
        for service in ("api", "jobs")
    ]
    notes.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    try:
        ran = ask(here, ADDITIVE)
    finally:
        notes.unlink() if before is None else notes.write_bytes(before)
    assert ran.exit_code == 1, ran.terminal
    assert f"{ADDITIVE} failed in incident i-9" in words(ran)
    assert "do not deploy it" in words(ran)
    assert not ran.of_kind("action")


def test_validation_of_what_ci_deployed(untouched: Rehearsed) -> None:
    """`--expect` compares env file and containers with the tag. Another tag is reported, with the way on."""
    ran = untouched.run("-m", "post_deploy", "--expect", SAME_SCHEMA)
    assert ran.exit_code == 1, ran.terminal
    told = (
        f"expected release {SAME_SCHEMA} (--expect); seen: the env file names {LIVE}, api runs {LIVE}, jobs runs {LIVE}"
    )
    assert told in words(ran)
    assert "production now:" in ran.terminal
    assert f"release {LIVE}" in words(ran)
    assert "to plan the rollback, type:" in ran.terminal


def test_validation_of_the_release_that_is_expected(here: Rehearsed) -> None:
    """The running release passes, and enters the ledger."""
    ran = here.run("-m", "post_deploy", "--expect", LIVE)
    assert ran.exit_code == 0, ran.terminal
    assert ran.of_kind("closed")[-1]["outcome"] == "passed"


def test_target_that_migrates_when_it_starts(shop: Shop, tmp_path: Path) -> None:
    """An additive release over one that migrates when it starts: after a rollback, that one could not start."""
    here = live(shop, MIGRATES_AT_START, tmp_path)
    before = state(here)
    ran = ask(here, "2025-12-19-rc2")
    assert ran.exit_code == 1, ran.terminal
    assert ran.fact("strategy") == "image-only"
    assert f"after a rollback {MIGRATES_AT_START} would crash at every start" in words(ran)
    assert state(here) == before
