"""Where an execution differed from its plan, change by change, both from the execution's journal."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from runbook.journal.journal import Entry
from runbook.report.action_diff import (
    ActionDiff,
    FactDiff,
    Line,
    PlanAndActual,
    PlanDiff,
    Stop,
    as_planned,
    same_action,
    same_actions,
    without_name,
)
from runbook.report.plan_lookup import compared_facts
from runbook.report.step_digest import ShortChange, StepDigest, step_digests


def plan_and_actual(entries: Sequence[Entry]) -> PlanAndActual | None:
    """Compare the whole incident with its plan. None for a plan, or for a journal without an entry about plans."""
    plan = next((entry for entry in reversed(entries) if entry["kind"] == "plan"), None)
    if plan is None:
        return None
    name = str(entries[0].get("incident", ""))
    planned = [StepDigest.from_journal(step) for step in plan.get("steps", [])]
    actual = step_digests(entries) if plan["incident"] else []
    return PlanAndActual(
        plan=plan["incident"] or "",
        why_none=plan.get("why", ""),
        made=plan.get("made", ""),
        head=plan.get("head", ""),
        by=plan.get("by", ""),
        changes=tuple(_changes(planned, actual, str(plan["incident"]), name)),
        facts=tuple(_facts(plan.get("facts", {}), compared_facts(entries))) if plan["incident"] else (),
        stopped=_stop(actual),
        plan_stopped=_stop(planned),
    )


def _stop(steps: Sequence[StepDigest]) -> Stop | None:
    """Return the first step that stopped its scenario."""
    for step in steps:
        if step.stopped:
            return Stop(f"{step.keyword} {step.text}", step.id, step.why)
    return None


def _changes(planned: Sequence[StepDigest], actual: Sequence[StepDigest], plan: str, name: str) -> Iterator[ActionDiff]:
    """Return every change of both, in the order of the execution, then those that it did not reach."""
    promised = {_key(step, number): step for number, step in _numbered(planned)}
    for number, step in _numbered(actual):
        said = promised.pop(_key(step, number), None)
        for which, change in zip_longest(said.changes if said else (), step.changes):
            yield _held(step, which, change, plan, name)
    for step in promised.values():
        for change in step.changes:
            yield _held(step, change, None, plan, name)


def _numbered(steps: Sequence[StepDigest]) -> Iterator[tuple[int, StepDigest]]:
    """Return each step with the number of earlier equal steps in its scenario."""
    counts: dict[tuple[str, str, str], int] = {}
    for step in steps:
        words = (step.scenario, step.keyword, step.text)
        counts[words] = counts.get(words, 0) + 1
        yield counts[words], step


def _key(step: StepDigest, number: int) -> tuple[str, str, str, int]:
    return step.scenario, step.keyword, step.text, number


def _held(
    step: StepDigest, planned: ShortChange | None, actual: ShortChange | None, plan: str, name: str
) -> ActionDiff:
    known = actual or planned
    assert known is not None  # noqa: S101 - zip_longest gives at least one of the two
    said = [without_name(action, plan) for action in planned.told] if planned else []
    did = [without_name(action, name) for action in actual.told] if actual else []
    standing, apart = _standing(planned, actual, said, did)
    return ActionDiff(
        scenario=step.scenario,
        step=f"{step.keyword} {step.text}",
        id=step.id,
        summary=known.summary,
        scope=known.scope,
        standing=standing,
        planned=tuple(planned.told) if planned else (),
        actual=tuple(actual.told) if actual else (),
        evidence=_evidence(planned, actual),
        lines=tuple(_lines(said, did)) if standing is PlanDiff.DIFFERS else (),
        apart=apart,
    )


def _standing(
    planned: ShortChange | None, actual: ShortChange | None, said: Sequence[str], did: Sequence[str]
) -> tuple[PlanDiff, bool]:
    """Return how a change compares with its plan, and whether that counts as a difference."""
    if actual is None:
        return PlanDiff.NOT_REACHED, True
    if actual.state == "begun":
        return PlanDiff.BROKEN_OFF, True
    if planned is None:
        return PlanDiff.NOT_PLANNED, True
    if actual.state == "already so":
        return PlanDiff.ALREADY_SO, not as_planned(planned.state, actual.state)
    if not as_planned(planned.state, actual.state) or not same_actions(said, did):
        return PlanDiff.DIFFERS, True
    return PlanDiff.AS_PLANNED, False


def _evidence(planned: ShortChange | None, actual: ShortChange | None) -> str:
    if planned and actual and (planned.state, actual.state) == ("done", "done"):
        return "the plan had already done it, but it had to be done again"
    return actual.evidence if actual else ""


def _lines(planned: Sequence[str], actual: Sequence[str]) -> Iterator[Line]:
    """Return the lines of both, one above the other, without the incidents' names."""
    said = [line for action in planned for line in action.splitlines()]
    did = [line for action in actual for line in action.splitlines()]
    # A value that the plan could not know is no difference.
    alike = [next((line for line in did if same_action(says, line)), says) for says in said]
    for what, first, last, begin, end in SequenceMatcher(None, alike, did, autojunk=False).get_opcodes():
        if what == "equal":
            yield from (Line(" ", line) for line in did[begin:end])
            continue
        yield from (Line("-", line) for line in said[first:last])
        yield from (Line("+", line) for line in did[begin:end])


def _facts(planned: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[FactDiff]:
    """Return the facts that differ. A fact that only one of them recorded is no difference."""
    for name, said in planned.items():
        if name in actual and said != actual[name]:
            yield FactDiff(name, _words(said), _words(actual[name]))


def _words(value: Any) -> str:
    return "; ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)
