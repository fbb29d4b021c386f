"""The differences between a plan and an execution: each is listed with both values, and nothing else is."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from runbook.actions import Action, ActionName
from runbook.hosts.command import Command
from runbook.report.plan.model import Plan
from runbook.report.plan.moved import moved, other_runbook, unplanned
from runbook.report.plan.plan_file import as_json
from runbook.report.plan.reading import basis_of
from tests.support import plans
from tests.support.plans import a_plan


def said(facts: Mapping[str, Any], entries: list[dict[str, Any]] | None = None) -> list[str]:
    """Return the differences of an execution with these facts from the plan, after the plan went through JSON."""
    plan = Plan.model_validate_json(as_json(a_plan(entries or plans.regression())))
    now = plans.entries(
        {**plans.FACTS, **({} if entries else {"switchover": plans.SWITCHOVER}), **facts},
        mode="execute",
        type="rollback",
        incident="i-2",
    )
    return list(moved(plan, now))


def test_nothing_moved() -> None:
    """Another incident at another time with the same facts has no differences."""
    assert said({"before": plans.before(at="2025-12-18T04:00:00.000000Z", log_errors={"api: KeyError": 99})}) == []


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param(
            {"target": {"tag": plans.TARGET, "digests": plans.BACK | {"api": "sha256:" + "77" * 32}}},
            f"digest of api to return to: planned {plans.BACK['api']}, now sha256:{'77' * 32}",
            id="target-digest",
        ),
        pytest.param(
            {"origin": {"tags": ["v9"], "digests": plans.RAN}},
            f"release that ran: planned {plans.FAILED}, now v9",
            id="running-release",
        ),
        pytest.param(
            {"origin": {"tags": [plans.FAILED], "digests": plans.RAN | {"jobs": "sha256:1"}}},
            f"digest of jobs that ran: planned {plans.RAN['jobs']}, now sha256:1",
            id="running-digest",
        ),
        pytest.param({"verdict": {"verdict": "additive"}}, "verdict: planned unchanged, now additive", id="verdict"),
        pytest.param({"strategy": "downgrade"}, "strategy: planned image-only, now downgrade", id="strategy"),
        pytest.param({"schema": ["0009"]}, "schema revision: planned 0003, now 0009", id="schema"),
        pytest.param({"loss": ["table a: 1 rows"]}, "loss: planned not known, now table a: 1 rows", id="loss"),
        pytest.param(
            {"before": plans.before(env_file={"sha256": "77" * 32})},
            "the env file: changed since the plan",
            id="env-file",
        ),
        pytest.param(
            {"together": {"recreated": {"sidecar": "shares the network of api"}, "left": {}, "differed": {}}},
            "other services that the switch affects: planned nothing, now recreated: sidecar",
            id="other-services",
        ),
    ],
)
def test_what_moved_is_told(facts: Mapping[str, Any], told: str) -> None:
    """Each changed fact gives exactly one difference with both values."""
    assert said(facts) == [told]


def test_verdict_that_was_open_is_held_to_what_the_plan_showed() -> None:
    """If the plan asked for a verdict, the execution is compared with the downgrade that the plan showed."""
    decided = {"schema": ["0004"], "verdict": {"verdict": "breaking"}, "strategy": "downgrade"}
    assert said(decided, plans.review()) == []
    otherwise = decided | {"verdict": {"verdict": "additive"}, "strategy": "image-only"}
    assert said(otherwise, plans.review()) == [
        "verdict: planned breaking, now additive", "strategy: planned downgrade, now image-only",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        ({"text": {"features": "f", "code": "c", "settings": "s"}}, []),
        ({"text": {"features": "x", "code": "c", "settings": "s"}}, ["the features: changed"]),
        ({"text": {"features": "f", "code": "x", "settings": "s"}}, ["the runbook's code: changed"]),
        ({"text": {"features": "f", "code": "c", "settings": "x"}}, ["the settings file: changed"]),
        ({"scenarios": ["a"]}, ["the scenarios: not those"]),
    ],
)
def test_other_runbook_is_told(opened: dict[str, Any], told: list[str]) -> None:
    """Changed features, code, settings or scenarios are reported, because commands come from them."""
    found = list(other_runbook(a_plan(plans.regression()), basis_of(plans.regression(**opened))))
    assert [each for each, start in zip(found, told, strict=True) if not each.startswith(start)] == []


def held(step: str, name: ActionName, command: str) -> str:
    change = Action(name, "a change", (Command(tuple(command.split()), 1),))
    return unplanned(a_plan(plans.regression()), step, change, "i-2", {"commands": [command]})


def test_change_is_held_against_the_planned_one() -> None:
    """A change is compared by step, action and commands. A change planned at another step does not count."""
    assert held("2.1.1", ActionName.OPEN_ROLLBACK, "do open_rollback") == ""
    other = held("2.1.1", ActionName.OPEN_ROLLBACK, "do else")
    assert other == "a change: planned do open_rollback, now do else"
    for step, name in (("2.1.2", ActionName.OPEN_ROLLBACK), ("9.9.9", ActionName.OPEN_ROLLBACK)):
        assert held(step, name, "do open_rollback") == f"a change: the plan has no such change at {step}"


@pytest.mark.parametrize(("entries", "_most"), plans.INCIDENTS.values(), ids=plans.INCIDENTS)
def test_plan_comes_back_from_json(entries: Callable[[], list[dict[str, Any]]], _most: int) -> None:
    """A plan read back from JSON equals the plan that was written."""
    plan = a_plan(entries())
    assert Plan.model_validate_json(as_json(plan)) == plan
