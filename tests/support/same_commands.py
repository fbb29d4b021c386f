"""Compares a plan with the execution that followed it, by their journals: step by step, check by check.

It compares more than the page shows (`runbook/report/plan_diff.py`): every check and every scenario left out.
Equality is defined in `runbook/report/action_diff.py` and described in docs/journal.md, "A plan and its execution".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from runbook.actions import message_told
from runbook.report.action_diff import as_planned, same_actions, without_name

Entry = dict[str, Any]

#: Facts that decide the strategy. The plan's facts are real.
_DECIDING = ("origin tags", "target", "schema", "verdict", "strategy", "loss", "switch")


@dataclass
class Change:
    """One change: its final state, with its commands and messages, or none if nothing had to be done."""

    summary: str
    state: str
    actions: list[str] = field(default_factory=list)


@dataclass
class Told:
    """A run in order: one line per step, check and scenario left out, and the changes separately."""

    lines: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def told(entries: Sequence[Entry]) -> Told:
    """Read a journal, with the incident's name removed."""
    found = Told()
    name = next(entry["incident"] for entry in entries if entry["kind"] == "opened")
    for entry in without_name(list(entries), name):
        kind = entry["kind"]
        if kind == "step began":
            found.lines.append(f"{entry['scenario']}: {entry['keyword']} {entry['text']}")
        elif kind == "scenario left out":
            found.lines.append(f"{entry['scenario']}: left out, {entry['reason']}")
        elif kind == "check":
            found.lines.append(f"    look: {entry['expected']} within {entry['deadline']} s")
        elif kind == "action":
            _change(found, entry)
        elif kind == "step ended" and entry["outcome"] not in ("passed", "planned"):
            found.lines.append(f"    {entry['outcome']}: {entry['detail']} → {entry['next_step']}")
        elif kind == "fact":
            value = entry["value"]
            name, value = ("origin tags", value["tags"]) if entry["name"] == "origin" else (entry["name"], value)
            found.facts[name] = value
    return found


def _change(found: Told, entry: Entry) -> None:
    if entry["state"] == "done":
        found.changes[-1].state = "done"
        return
    found.lines.append(f"    change: {entry['summary']} ({entry['scope']})")
    message = [message_told(entry["action"], entry["message"])] if "message" in entry else []
    found.changes.append(Change(entry["summary"], entry["state"], [*entry.get("commands", []), *message]))


def differences(plan: Sequence[Entry], execution: Sequence[Entry]) -> list[str]:
    """Return how the execution differed from the plan. Empty if it did not."""
    planned, executed = told(plan), told(execution)
    found = [
        f"line {number}: planned {said!r}, executed {did!r}"
        for number, (said, did) in enumerate(zip_longest(planned.lines, executed.lines), start=1)
        if said != did
    ]
    found += [
        f"fact {name}: planned {planned.facts.get(name)}, executed {executed.facts.get(name)}"
        for name in _DECIDING
        if planned.facts.get(name) != executed.facts.get(name)
    ]
    if len(planned.changes) != len(executed.changes):
        return [*found, f"{len(planned.changes)} changes planned, {len(executed.changes)} executed"]
    for said, did in zip(planned.changes, executed.changes, strict=True):
        if not as_planned(said.state, did.state):
            found.append(f"{said.summary}: {said.state} in the plan, {did.state} in the execution")
        elif said.state == "planned" and not same_actions(said.actions, did.actions):
            found.append(f"{said.summary}: planned {said.actions}, executed {did.actions}")
    return found


def commands(entries: Sequence[Entry]) -> list[str]:
    """Return every command and message of a run's changes, in order, executed or only planned."""
    return [action for change in told(entries).changes for action in change.actions]
