"""Steps that the settings do not configure: one line each, counted at the end, neither passed nor failed."""

import pytest

from tests.harness.inner import Runbook, scenario

PROJECT = """
[project]
name = "shop"
directory = "{folder}"
services = ["api"]
"""
STEPS = """
from runbook.chapters import migration_facts, strategy
from runbook.chapters.people import applied, telling


@when("traffic is paused")
def paused(context) -> Action:
    return context.gate.pause()


@then("metrics are scraped")
def scraped(context) -> Check:
    return context.metrics.check_with_token()


@then("metrics are refused")
def refused(context) -> Check:
    return context.metrics.check_without_token()


@given("the schema revision")
def revision(context) -> Check:
    return migration_facts.read_revision(context)


@then("the verdict decides the strategy")
def decided(context) -> Check:
    return strategy.record_decision(context)


@then("the target can start on the current schema")
def starts(context) -> Check:
    return strategy.starts_on_newer_schema(context)


@when("people are told, a ticket is opened, and the log is written")
def told(context) -> Action:
    return telling.announcing(context)


@when("a ticket is opened")
def ticket(context) -> Action:
    return applied.opening_ticket(context)
"""
ALL = scenario(
    "Everything that may be left out",
    "Given the schema revision",
    "Then metrics are scraped",
    "And metrics are refused",
    "When traffic is paused",
    "And people are told, a ticket is opened, and the log is written",
    "And a ticket is opened",
)
DECIDING = scenario(
    "Deciding",
    "Given something to begin with",
    "Then the verdict decides the strategy",
    "And the target can start on the current schema",
)


@pytest.fixture
def runbook(runbook: Runbook) -> Runbook:
    """The small project, whose settings have only the section [project]."""
    (runbook.folder / "runbook.toml").write_text(PROJECT.format(folder=runbook.server))
    return runbook.steps(STEPS)


@pytest.mark.parametrize("execute", [(), ("--execute", "shop")])
def test_every_step_says_what_is_left_out_and_what_follows(runbook: Runbook, execute: tuple[str, ...]) -> None:
    """In plan and execution, steps that are not configured do nothing, and the last lines count them."""
    ran = runbook.feature("1.feature", ALL).run("features", *execute)
    outcomes = [entry["outcome"] for entry in ran.entries("step ended")]
    assert outcomes == ["not configured"] * 6
    assert ran.exit_code == 0
    assert ran.entries("action") == ran.entries("check") == []
    assert "6 steps were not configured, so neither done nor checked:" in ran.terminal
    assert "traffic.pause (1): there is no traffic gate" in ran.terminal
    said = " ".join(ran.terminal.split())
    shortly = "announcement (1), metrics (2), ticket (1): to see what follows, type runbook settings"
    assert ("metrics (2): metrics are not scraped" if execute else shortly) in said
    assert not execute or ran.terminal.count(" not set ") == 6
    assert "6 of them not configured" in ran.page


def test_nobody_assumes_that_migrations_are_well(runbook: Runbook) -> None:
    """Without a database a plan waits for --no-migrations, which is recorded as a human's decision with its reason."""
    runbook.feature("1.feature", DECIDING)
    asked = runbook.run("features")
    assert (asked.exit_code, asked.ending) == (6, "decision needed")
    assert "--no-migrations --because 'how you know' --execute shop" in asked.terminal
    assert "DECISION NEEDED: can the target live with the schema?" in asked.terminal
    assert asked.entries("step ended")[-1]["outcome"] == "not configured"
    refused = runbook.run("features", "--execute", "shop")
    assert refused.exit_code == 1
    word = ("--no-migrations", "--because", "this release has no migration")
    said = runbook.run("features", *word, "--execute", "shop")
    assert said.exit_code == 0
    (decision,) = said.entries("decision")
    assert (decision["question"], decision["answer"], decision["option"]) == (
        "no_migrations",
        "yes",
        ["--no-migrations"],
    )
    assert "decided by a human: this release has no migration" in decision["evidence"]
    assert "this release has no migration" in said.page


def test_word_needs_a_reason_and_a_question(runbook: Runbook) -> None:
    """--no-migrations is refused without --because, and also if the settings say that there are no migrations."""
    runbook.feature("1.feature", DECIDING)
    assert runbook.run("features", "--no-migrations").exit_code == 4
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text() + '\n[migrations]\ntool = "none"\n')
    ran = runbook.run("features", "--no-migrations", "--because", "x")
    assert ran.exit_code == 4
    assert "migrations are checked, or there are none" in ran.terminal
    declared = runbook.run("features")
    assert declared.exit_code == 0
    assert declared.entries("decision")[0]["by_human"] is False
