"""A plan as a file: written as JSON, and read from that or from the plan's record."""

import json
from pathlib import Path

from pydantic import ValidationError

from runbook.actions import Outcome
from runbook.errors import JournalError, PlanVoid
from runbook.journal.verify import verify
from runbook.report.plan.model import FORMAT, Plan
from runbook.report.plan.reading import plan_of

#: In bytes. A plan has a few hundred kilobytes.
_LONGEST = 32 * 1024 * 1024
_JOURNAL = "journal.jsonl"
_AGAIN = "make another plan with --json"
#: The outcomes of plans that can be carried out.
_CARRIED_OUT = (Outcome.PLANNED, Outcome.DECISION_NEEDED)


def as_json(plan: Plan) -> str:
    """Return the plan as JSON in ASCII, so that it contains no control characters for a terminal."""
    return json.dumps(plan.model_dump(mode="json"), indent=2)


def read_plan(given: str, reports: Path) -> Plan:
    """Read a plan from a file made by `as_json`, or from a record: its folder, its journal, or its name in `reports`.

    Raises PlanVoid if it is no plan, or a plan that cannot be carried out. Raises JournalError if its journal was
    changed.
    """
    path = next((each for each in (Path(given), reports / given) if each.exists()), None)
    if path is None:
        raise PlanVoid(f"--plan {given}: no such file", f"name a file, or {_AGAIN}")
    path = path / _JOURNAL if path.is_dir() else path
    plan = _of_record(path) if path.name == _JOURNAL else _of_file(path)
    if plan.outcome not in _CARRIED_OUT:
        raise PlanVoid(f"{given} ended as {plan.outcome!r}: it cannot be executed", _AGAIN)
    return plan


def _of_record(journal: Path) -> Plan:
    found = verify(journal)
    if not found.whole:
        raise JournalError(f"{journal} is damaged: {found.problem}", _AGAIN)
    opened = found.entries[0]
    if opened.get("mode") != "plan" or opened.get("type") == "validation":
        raise PlanVoid(f"{journal.parent.name} is not a plan: its type is {opened.get('type')!r}", _AGAIN)
    return plan_of(found.entries, found.head)


def _of_file(path: Path) -> Plan:
    try:
        # Reading a pipe could block forever.
        if not path.is_file() or path.stat().st_size > _LONGEST:
            raise PlanVoid(f"{path} is not a plan: not a regular file, or larger than {_LONGEST} bytes", _AGAIN)
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PlanVoid(f"{path} cannot be read as a plan: {error}", _AGAIN) from None
    written = found.get("format") if isinstance(found, dict) else None
    if written != FORMAT:
        raise PlanVoid(f"{path} is not a plan of format {FORMAT}: its format is {written!r}", _AGAIN)
    try:
        return Plan.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PlanVoid(f"{path} is not a plan: {where}: {first['msg']}", _AGAIN) from None
