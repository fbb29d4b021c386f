"""The comparison of a plan with its execution: each change, fact and stop, as planned and as it happened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from runbook.actions import Scope, not_known_yet
from runbook.clock import digits_of
from runbook.text import counted


class PlanDiff(StrEnum):
    """How a change compares with the plan."""

    AS_PLANNED = "as planned"
    ALREADY_SO = "already so"
    DIFFERS = "differs"
    BROKEN_OFF = "broken off"
    NOT_REACHED = "not reached"
    NOT_PLANNED = "not planned"


@dataclass(frozen=True)
class Line:
    """One line of the diff of planned and executed commands.

    `sign` is `-` if only planned, `+` if only executed, a blank if both.
    """

    sign: str
    text: str


@dataclass(frozen=True)
class ActionDiff:
    """One change, as it was planned and as it was made.

    `step` is the step with its keyword, `id` its number, such as `2.3.2`. `planned` and `actual` are the commands and
    messages, each with the name of its own incident. `evidence` is what showed that the change was already done.
    `lines` is their diff, empty if they are the same. `apart` is whether this counts as a difference. What the plan
    itself carried out (pulling images) is already done, and does not count.
    """

    scenario: str
    step: str
    id: str
    summary: str
    scope: str
    standing: PlanDiff
    planned: tuple[str, ...]
    actual: tuple[str, ...]
    evidence: str
    lines: tuple[Line, ...]
    apart: bool


@dataclass(frozen=True)
class FactDiff:
    """A fact that the execution found to differ from the plan: `name`, and both values in words (`-` for none)."""

    name: str
    planned: str
    actual: str


@dataclass(frozen=True)
class Stop:
    """The step at which the run stopped, with its keyword and place, and the reason in words."""

    step: str
    id: str
    why: str


@dataclass(frozen=True)
class PlanAndActual:
    """The comparison of a plan with its execution.

    `plan` is the plan's incident. It is empty if there was no plan; `why_none` is then the reason. `made` is when the
    plan was made (UTC), `head` its journal's head hash, `by` who made it. `stopped` is where the execution stopped,
    None if it did not. `plan_stopped` is the same for the plan.
    """

    plan: str
    why_none: str
    made: str
    head: str
    by: str
    changes: tuple[ActionDiff, ...]
    facts: tuple[FactDiff, ...]
    stopped: Stop | None
    plan_stopped: Stop | None

    @property
    def as_planned(self) -> int:
        """The number of changes that were made as planned, or were already so as the plan said."""
        return sum(not change.apart for change in self.changes)

    @property
    def differences(self) -> int:
        """The number of differences. A stop counts once; what it left unreached does not count."""
        no_place = PlanDiff.NOT_REACHED if self.stopped else None
        changes = sum(change.apart and change.standing is not no_place for change in self.changes)
        return changes + len(self.facts) + self._stopped_apart

    @property
    def _stopped_apart(self) -> bool:
        here, there = self.stopped, self.plan_stopped
        broken_off = any(change.standing is PlanDiff.BROKEN_OFF for change in self.changes)
        return not broken_off and (here and here.step) != (there and there.step)

    @property
    def summary(self) -> str:
        """The comparison in one sentence, for the head of the page."""
        if not self.plan:
            return f"No plan to compare with: {self.why_none}"
        agree, scope = f"{self.as_planned} of {len(self.changes)} changes", self._to_production
        places = self.differences
        if not places:
            stopped = "stopped where the plan did, " if self.stopped else ""
            return f"As planned: {stopped}{agree}{scope}"
        return f"Differs from the plan in {counted(places, 'place')}: {agree} as planned{scope}"

    @property
    def _to_production(self) -> str:
        """The number of planned changes that changed production, as the terminal counts them. Empty if unknown."""
        if not self.as_planned or not all(change.scope for change in self.changes):
            return ""
        made = [change for change in self.changes if change.standing is PlanDiff.AS_PLANNED]
        number = sum(change.scope == Scope.PRODUCTION for change in made)
        return f", {number or 'none'} of them to production"


_Value = TypeVar("_Value")


#: The placeholder in a planned message for a value that is known only when the message is sent.
_NOT_KNOWN_YET = re.compile(re.escape(re.escape(not_known_yet("…"))).replace("…", r"[^\]]*"))


#: The state of a change in the plan, and the state that the execution may have. A plan really pulls images.
_STATES = {("planned", "done"), ("done", "already so"), ("already so", "already so")}


def without_name(value: _Value, incident: str) -> _Value:
    """Return a JSON value with the incident's name, which occurs in paths and messages, replaced by `INCIDENT`.

    The digits of the incident's time are replaced too: the names of databases beside the live one contain them.
    """
    if isinstance(value, str):
        digits = digits_of(incident)
        told = value.replace(incident, "INCIDENT")
        return told.replace(digits, "INCIDENT") if digits else told  # type: ignore[return-value]  # a str for a str
    if isinstance(value, list):
        return [without_name(item, incident) for item in value]  # type: ignore[return-value]  # a list for a list
    if isinstance(value, dict):
        return {key: without_name(item, incident) for key, item in value.items()}  # type: ignore[return-value]  # so too
    return value


def as_planned(planned: str, executed: str) -> bool:
    """Return whether the states of a change in the plan and in the execution are consistent."""
    return (planned, executed) in _STATES


def same_action(planned: str, executed: str) -> bool:
    """Return whether a command or message is the planned one, apart from values that the plan could not know."""
    return re.fullmatch(_NOT_KNOWN_YET.sub(r"[^\\n]+", re.escape(planned)), executed) is not None


def same_actions(planned: Sequence[str], executed: Sequence[str]) -> bool:
    """Return whether these are the planned commands and messages, in order."""
    return len(planned) == len(executed) and all(map(same_action, planned, executed))
