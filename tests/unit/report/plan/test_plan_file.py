"""Plan files: checked against their schema, read back from a file or a record, and refused if invalid."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runbook.errors import JournalError, PlanVoid
from runbook.journal.journal import Journal
from runbook.report.plan.model import Plan
from runbook.report.plan.plan_file import as_json, read_plan
from runbook.secrets.redactor import Redactor
from tests.support import plans
from tests.support.plans import a_plan

SCHEMA = Path(__file__).parents[4] / "docs" / "plan.schema.json"


def record(reports: Path, entries: list[dict[str, Any]]) -> Path:
    """Write the record of a plan as a run would, and return its folder."""
    journal = Journal(reports / "i-1" / "journal.jsonl", Redactor())
    for entry in entries:
        own = {
            name: value for name, value in entry.items() if name not in ("seq", "time", "previous", "sha256", "kind")
        }
        journal.write(entry["kind"], **own)
    journal.close()
    return reports / "i-1"


def test_schema_is_that_of_the_code() -> None:
    """docs/plan.schema.json matches the model. Running this module (`python -m`) writes it."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == Plan.model_json_schema()


@pytest.mark.parametrize(("entries", "_most"), plans.INCIDENTS.values(), ids=plans.INCIDENTS)
def test_json_is_as_the_schema_says(entries: Callable[[], list[dict[str, Any]]], _most: int) -> None:
    """Every incident's plan matches the schema, in ASCII."""
    text = as_json(a_plan(entries()))
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert text.isascii()
    assert "\x1b" not in as_json(a_plan(plans.entries(dict(plans.FACTS) | {"target": {"tag": "\x1b[2J"}})))


def test_plan_is_read_from_file_folder_journal_and_name(tmp_path: Path) -> None:
    """File, journal, folder and incident name all give the same plan."""
    folder = record(tmp_path, plans.regression())
    plan = read_plan(str(folder), tmp_path)
    (tmp_path / "plan.json").write_text(as_json(plan))
    for given in (tmp_path / "plan.json", folder / "journal.jsonl", "i-1"):
        assert read_plan(str(given), tmp_path) == plan


def changed(**more: Any) -> str:
    return json.dumps(json.loads(as_json(a_plan(plans.regression()))) | more)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("{", "cannot be read as a plan", id="cut"),
        pytest.param("[" * 100_000, "cannot be read as a plan", id="deep"),
        pytest.param("[]", "not a plan of format 1: its format is None", id="list"),
        pytest.param(changed(format=2), "not a plan of format 1: its format is 2", id="newer"),
        pytest.param(changed(checks="many"), "checks: Input should be a valid integer", id="other-type"),
        pytest.param('{"format": 1}', "incident: Field required", id="empty"),
        pytest.param(changed(outcome="failed"), "ended as 'failed'", id="failed"),
        pytest.param(changed(outcome="nothing to do"), "ended as 'nothing to do'", id="nothing-to-do"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str, told: str) -> None:
    """An invalid plan is refused with the reason and the next step."""
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(PlanVoid) as found:
        read_plan(str(tmp_path / "plan.json"), tmp_path)
    assert told in found.value.seen
    assert "--json" in found.value.next_step


def test_what_is_not_there_or_no_plain_file_is_refused(tmp_path: Path) -> None:
    """A missing path and a pipe are refused, without waiting for the pipe."""
    with pytest.raises(PlanVoid, match="no such file"):
        read_plan("nowhere.json", tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PlanVoid, match="not a regular file"):
        read_plan(str(tmp_path / "pipe"), tmp_path)


def test_record_that_was_changed_or_is_no_plan_is_refused(tmp_path: Path) -> None:
    """A changed journal, and the journal of a run that is not a plan, are refused."""
    journal = record(tmp_path, plans.regression()) / "journal.jsonl"
    journal.write_text(journal.read_text().replace(plans.TARGET, "v9"))
    with pytest.raises(JournalError, match="is damaged"):
        read_plan(str(journal), tmp_path)
    other = record(tmp_path / "other", plans.regression(mode="execute", type="rollback"))
    with pytest.raises(PlanVoid, match="not a plan: its type is 'rollback'"):
        read_plan(str(other), tmp_path)


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(Plan.model_json_schema(), indent=2) + "\n", encoding="utf-8")
