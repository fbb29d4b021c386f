"""The last lines on the recovery: which one applies and why, or that production is held."""

from typing import Any

import pytest

from harness.session.summary import recovery_lines, way_back_lines
from runbook.incident.facts import Facts
from runbook.report.timeline import Step
from tests.harness.inner import Runbook, scenario
from tests.support.filed import filed, opened, over
from tests.support.incident_facts import BRIDGE

FACTS: dict[str, Any] = {
    "target": {"tag": "v1"},
    "schema": ["r2"],
    "target migrations": {"graph": {"heads": ["r1"]}},
}
ADDITIVE = FACTS | {"strategy": "image-only", "verdict": {"verdict": "additive", "evidence": ["table gifts: is new"]}}
BREAKING = FACTS | {
    "strategy": "downgrade",
    "verdict": {"verdict": "breaking", "evidence": ["orders.note: was dropped"]},
    "loss": ["table gifts: 2 rows hold values"],
}
REVIEW = FACTS | {"verdict": {"verdict": "review", "evidence": ["DO $$: cannot be judged"]}}
FORWARD = FACTS | {
    "strategy": "forward-fix",
    "target": {"tag": "v3"},
    "target migrations": {"graph": {"heads": ["r3"]}},
}
SWITCH = {"switch": {"name": "exports", "variable": "EXPORT_MODE", "value": "off", "state": "off"}}


def recovery(facts: dict[str, Any], step: Step | None) -> list[str]:
    return recovery_lines(Facts.model_validate(facts), step)


def stopped(outcome: str = "failed", detail: str = "expected this; seen: that", helps: str = "ship a fix") -> Step:
    return Step("Given", "a working downgrade", "3:9", "2025-12-18T03:00:00Z", outcome, detail, helps, 0.1)


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([], []),
        (
            [{"part": "env file", "key": "DB_PASSWORD", "how": "changed"}],
            [
                (
                    "configuration changed since v1 was validated: 1 key, in the record;"
                    " only --with-configuration restores it"
                )
            ],
        ),
        (
            {"unknown": "it has no line"},
            ["unknown whether the configuration changed since v1 was validated: it has no line"],
        ),
    ],
)
def test_configuration_that_differs_is_said(differences: Any, said: list[str]) -> None:
    """The last lines say if the configuration has changed since the target was validated, or if that is unknown."""
    drift = {"configuration drift": {"tag": "v1", "differences": differences}}
    assert recovery(ADDITIVE | drift, None) == [*recovery(ADDITIVE, None), *said]


@pytest.mark.parametrize(
    ("facts", "first", "evidence"),
    [
        pytest.param(
            ADDITIVE,
            "strategy: only the application goes back, to v1; the schema stays at r2",
            "is additive: - table gifts: is new",
            id="image-only",
        ),
        pytest.param(
            BREAKING,
            "strategy: the schema is downgraded from r2 to r1, then the application goes to v1",
            "is breaking: - orders.note: was dropped",
            id="downgrade",
        ),
        pytest.param(
            FORWARD,
            "strategy: forward to v3; the schema is migrated to r3",
            "its migrations continue from the database's revision r2",
            id="forward-fix",
        ),
        pytest.param(
            SWITCH, "recovery: the switch exports is turned (EXPORT_MODE=off)", "release and schema", id="off"
        ),
    ],
)
def test_recovery_is_named_with_its_evidence(facts: dict[str, Any], first: str, evidence: str) -> None:
    """The first line names the recovery, the next lines give the evidence, and none says that production is held."""
    lines = recovery(facts, None)
    assert lines[0].startswith(first)
    assert evidence in " ".join(" ".join(lines).split())
    assert "held" not in " ".join(lines)


def test_loss_is_named_before_it_is_accepted() -> None:
    """A downgrade names the data that it destroys."""
    assert "    - table gifts: 2 rows hold values" in recovery(BREAKING, None)


@pytest.mark.parametrize("facts", [FACTS, REVIEW, BREAKING], ids=["no-verdict", "review", "breaking"])
def test_held_production_says_what_is_missing(facts: dict[str, Any]) -> None:
    """If the run stopped, the last lines name the step, the observation and the next step, and no strategy."""
    assert not [line for line in recovery(facts, stopped()) if line.startswith(("strategy", "recovery"))], "no advice"
    assert recovery(facts, stopped())[-3:] == [
        "production is held as it is, at: Given a working downgrade",
        "  expected this; seen: that",
        "  next step: ship a fix",
    ]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            {"bridge": BRIDGE["bridge"]},
            ["if a person chooses it, the schema stays, relaxed for v1", "NOT NULL note of orders is lifted"],
        ),
        ({"verdict": BREAKING["verdict"] | {"no_bridge": "a row"}}, ["cannot be relaxed for v1 instead: a row"]),
        ({}, []),
    ],
)
def test_before_a_deploy_a_bridge_is_told(more: dict[str, Any], lines: list[str]) -> None:
    """Before a deploy the last lines say that a bridge is possible and what it relaxes, or why it is not."""
    facts = BREAKING | {"release to deploy": {"tag": "v2"}, "target": {"tag": "v1"}} | more
    told = [line for line in way_back_lines(Facts.model_validate(facts)) if "relaxed" in line or "lifted" in line]
    assert len(told) == len(lines)
    assert all(word in line for word, line in zip(lines, told, strict=True))


def test_undecided_verdict_shows_its_evidence() -> None:
    """If only a human can decide the verdict, the last lines show its evidence and name no strategy."""
    said = "\n".join(recovery(REVIEW, stopped()))
    assert "DO $$: cannot be judged" in said
    assert "strategy" not in said


def test_interrupted_run_decided_nothing() -> None:
    """A run that a person interrupted names the step where it stopped, and does not say that production is held."""
    assert recovery({}, stopped("interrupted", "stopped by Ctrl-C")) == ["stopped at: Given a working downgrade"]


def test_long_evidence_is_cut_and_says_so() -> None:
    """Long evidence is cut, and the number of lines left out is given."""
    many = ADDITIVE | {"verdict": {"verdict": "additive", "evidence": [f"column c{n}: is new" for n in range(30)]}}
    lines = recovery(many, None)
    assert len(lines) < 10
    assert lines[-1] == "    - and 26 more, in the record"


def test_nothing_known_is_nothing_said() -> None:
    """A run without a strategy that did not stop says nothing about the recovery."""
    assert recovery({"before": {}}, None) == []


STRATEGY = """
@given("the strategy is decided")
def strategy_decided(context):
    context.incident.record_fact("strategy", "image-only")
"""


def earlier_rollback(runbook: Runbook) -> None:
    """File the record of an earlier rollback whose gate was closed for 12 s."""
    gate = {"kind": "action", "resource": "the gate", "scope": "production", "summary": "gate"}
    entries = [opened(host="prod-1"), *over(after=30)[1:]]
    entries[1:1] = [
        {"kind": "fact", "name": "strategy", "value": "image-only"},
        gate | {"action": "pause_traffic", "state": "begun", "commands": [], "at": 5},
        gate | {"action": "resume_traffic", "state": "done", "seconds": 0.1, "receipts": [], "at": 17},
    ]
    filed(runbook.folder / "reports", "2026-01-31T10:00:00", entries)
    (runbook.folder / "reports").chmod(0o700)


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        (False, "Users: the expected interruption is unknown"),
        (
            True,
            "Users: traffic paused for about 12 s (last incident, 2026-01-31)",
        ),
    ],
)
def test_plan_forecasts_the_interruption(runbook: Runbook, *, earlier: bool, said: str) -> None:
    """A plan forecasts the interruption from earlier records; without any it is unknown."""
    if earlier:
        earlier_rollback(runbook)
    decided = scenario("Decided", "Given the strategy is decided", "When a file is made")
    ran = runbook.steps(STRATEGY).feature("1.feature", decided).run("features")
    assert said in " ".join(ran.terminal.split()), ran.terminal
