"""`--plan FILE`, which executes a saved plan or nothing; and `--json`, which prints a plan."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from harness.session.retyped import Typed
from harness.session.text_hash import text_of
from runbook.actions import Action, Scope
from runbook.chapters.strategy import checked_verdict
from runbook.errors import PlanVoid, SettingsError
from runbook.incident.executor import Executor
from runbook.incident.options import Options
from runbook.journal.journal import Journal
from runbook.release import checked_tag
from runbook.report.plan.model import Basis, Plan
from runbook.report.plan.moved import moved, other_runbook, unplanned
from runbook.report.plan.plan_file import read_plan
from runbook.settings.schema import Project

#: Options that a plan and its execution must agree on.
_ONE_WAY = ("target", "forward_fix", "verdict", "enable", "disable")


def plan_named(config: pytest.Config, project: Project, reports: Path) -> Plan | None:
    """Read the plan that `--plan` names, or return None without it.

    Raises SettingsError without `--execute` or with `--resume`, PlanVoid if the plan is invalid or for another
    production, and JournalError if its record was changed.
    """
    given, typed = config.option.plan, Typed.by(config)
    if given is None:
        return None
    if config.option.execute is None:
        again = typed.plus("--execute", project.name)
        raise SettingsError("--plan needs --execute: without it nothing is executed", f"to execute it, type {again}")
    if config.option.resume is not None:
        again = typed.without("--plan")
        raise SettingsError("--plan with --resume: a resumed incident keeps its plan", f"type {again}")
    plan = read_plan(given, reports)
    if (plan.project, plan.directory) != (project.name, str(project.directory)):
        raise PlanVoid(
            f"the plan is for {plan.project} in {plan.directory}, but the settings are for {project.name} in"
            f" {project.directory}",
            f"to plan for that project, type {planning(typed)}",
        )
    return plan


def as_planned(plan: Plan, given: Options, typed: Typed) -> Options:
    """Return the plan's options with its target, completed by the `given` ones, such as decisions.

    Raises PlanVoid if the two conflict, and TargetError for an invalid tag or verdict.
    """
    asked: dict[str, Any] = {name: value for name, value in plan.asked_for.items() if value}
    if plan.target and not plan.switch and not asked.get("forward_fix"):
        asked["target"] = plan.target.tag
    for name in _ONE_WAY:
        was, now = asked.get(name), getattr(given, name)
        if was and now and was != now:
            raise PlanVoid(f"the plan has {name} {was}, but {now} was typed", f"to plan that, type {planning(typed)}")
    if given.with_configuration and not asked.get("with_configuration"):
        raise PlanVoid("the plan was made without --with-configuration", f"to plan that, type {planning(typed)}")
    if given.strategy and not asked.get("strategy"):
        raise PlanVoid("the plan was made without --strategy", f"to plan that, type {planning(typed)}")
    for name in ("target", "forward_fix"):
        if asked.get(name):
            asked[name] = checked_tag(str(asked[name]))
    checked_verdict(asked.get("verdict"), given.because or asked.get("because"))
    asked["override"] = tuple(asked.get("override") or ())
    asked["hosts"] = tuple(asked.get("hosts") or ())
    wishes: dict[str, Any] = {each.name: getattr(given, each.name) or asked.get(each.name) for each in fields(Options)}
    return Options(**{name: value for name, value in wishes.items() if value})


def planning(typed: Typed) -> Typed:
    """Return the command that makes a new plan with the same options."""
    return typed.without("--plan", "--execute", "--json")


def refuse_json_elsewhere(config: pytest.Config, typed: Typed, *, plans: bool) -> None:
    """Raise SettingsError for `--json` if this run makes no plan, or if other output would mix with it."""
    if not config.option.json:
        return
    if not plans:
        again = typed.without("--json")
        raise SettingsError("--json prints a plan, but this run makes none", f"type {again}")
    if config.option.capture == "no" or config.option.usepdb:
        again = typed.without("-s", "--capture", "--pdb")
        raise SettingsError("--json with -s or --pdb: other output would mix with the plan", f"type {again}")


def refuse_other_runbook(plan: Plan, items: Sequence[pytest.Item], settings: Path | None, typed: Typed) -> None:
    """Raise PlanVoid if the plan was made with another runbook or other settings."""
    text = text_of({item.path for item in items}, settings)
    now = Basis(text=text, scenarios=tuple(item.nodeid for item in items))
    if found := list(other_runbook(plan, now)):
        raise PlanVoid(
            f"the plan {plan.incident} is void: {'; '.join(found)}", f"to plan again, type {planning(typed)}"
        )


class PlannedOnly:
    """The guard that holds an execution to its plan: a change that the plan lacks, or has differently, is not begun."""

    def __init__(self, plan: Plan, incident: Callable[[], Executor], journal: Journal, again: str) -> None:
        """`incident` returns the executor of the current host, `journal` covers all hosts, `again` plans anew."""
        self._plan = plan
        self._incident = incident
        self._journal = journal
        self._again = again
        self._looked = False
        #: Why the plan is void, with what to type. None while it holds.
        self.void: PlanVoid | None = None

    def permit(self, change: Action) -> None:
        """Raise PlanVoid if reality has moved before the first change, or if `change` is not the planned one."""
        if change.scope is Scope.IMAGES:
            return  # changes nothing that runs, and the facts to compare are not known yet
        if not self._looked:
            self._refuse(list(moved(self._plan, self._journal.entries)))
            self._looked = True
        redact, incident = self._journal.redactor.text, self._incident()
        told = change.planned
        redacted: dict[str, Any] = {"commands": [redact(each) for each in told["commands"]]}
        if "message" in told:
            redacted["message"] = {name: redact(text) for name, text in told["message"].items()}
        other = unplanned(self._plan, incident.step_id, change, incident.name, redacted)
        self._refuse([other] if other else [])

    def _refuse(self, found: Sequence[str]) -> None:
        if found:
            seen = f"the plan {self._plan.incident} is void, because production has changed: {'; '.join(found)}"
            self.void = PlanVoid(seen, f"to plan again, type {self._again}")
            raise self.void
