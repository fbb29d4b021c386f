"""The check that production is as the plan found it. If not, the plan is void and nothing is changed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runbook.actions import Action, message_told
from runbook.incident.facts import Strategy
from runbook.journal.journal import Entry
from runbook.report.action_diff import same_actions, without_name
from runbook.report.plan.model import Basis, Plan
from runbook.report.plan.reading import basis_of
from runbook.report.plan_lookup import compared_facts
from runbook.report.step_digest import ShortChange

#: If a person must judge the migrations, the plan shows this judgment.
_ASSUMED = {"verdict": "breaking", "strategy": Strategy.DOWNGRADE.value}
_TEXT = {"features": "the features", "code": "the runbook's code", "settings": "the settings file"}


def other_runbook(plan: Plan, now: Basis) -> Iterator[str]:
    """Return which parts of the runbook itself have changed since the plan. Sends no request to production."""
    for name, what in _TEXT.items():
        if plan.basis.text.get(name) != now.text.get(name):
            yield f"{what}: changed since the plan"
    if plan.basis.scenarios != now.scenarios:
        yield "the scenarios: not those that were planned"


def moved(plan: Plan, entries: Sequence[Entry]) -> Iterator[str]:
    """Return the facts that an execution found to differ from the plan, each with both values."""
    planned, found = dict(plan.facts), compared_facts(entries)
    if any("--verdict" in each.options for each in plan.decisions):
        planned |= _ASSUMED
    for name in dict.fromkeys([*planned, *found]):
        was, now = planned.get(name), found.get(name)
        if was != now:
            yield f"{name}: planned {_words(was)}, now {_words(now)}"
    then, now_basis = plan.basis, basis_of(entries)
    if then.env_file != now_basis.env_file:
        yield "the env file: changed since the plan"
    if then.together != now_basis.together:
        yield f"other services that the switch affects: planned {_parts(then)}, now {_parts(now_basis)}"


def unplanned(plan: Plan, step: str, change: Action, incident: str, redacted: Mapping[str, Any]) -> str:
    """Return how a change in the step with that id differs from the planned one. Empty if it does not.

    `redacted` is the change's `commands` and `message` as the journal keeps them. `incident` is the execution's.
    """
    steps = [each for each in plan.steps if each.get("id") == step]
    kept = [ShortChange(**each) for one in steps for each in one.get("changes", ())]
    said = [[without_name(text, plan.incident) for text in each.told] for each in kept if each.action == change.name]
    message = redacted.get("message")
    told = [*redacted["commands"], *([message_told(change.name, message)] if message else [])]
    did = [without_name(text, incident) for text in told]
    if any(same_actions(each, did) for each in said):
        return ""
    if not said:
        return f"{change.summary}: the plan has no such change at {step}"
    return f"{change.summary}: planned {_commands(said[0])}, now {_commands(did)}"


def _commands(told: Sequence[str]) -> str:
    return "; ".join(told) or "nothing"


def _words(value: Any) -> str:
    if value is None:
        return "not known"
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)


def _parts(basis: Basis) -> str:
    return (
        ", ".join(f"{how}: {', '.join(sorted(which))}" for how, which in basis.together.items() if which) or "nothing"
    )
