"""Small journals of a plan and its execution in a folder of records, for tests that compare the two."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook.journal.journal import Entry, Journal
from runbook.secrets.redactor import Redactor
from tests.support.telling import about

ASKED = {"target": None, "forward_fix": None, "accept_loss": None, "because": None, "override": []}
DIGESTS = {"api": "sha256:1"}
SCENARIO = "The switch"


@dataclass
class Deed:
    """One change in a step: its summary, final state, commands and scope."""

    summary: str
    state: str
    commands: tuple[str, ...] = ()
    message: dict[str, str] | None = None
    scope: str = "production"
    evidence: str = "it is so"


@dataclass
class Run:
    """One run: its kind, the options asked for, the facts it found, its changes, and its outcome."""

    name: str
    mode: str
    deeds: Sequence[Deed] = ()
    asked: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    outcome: str | None = "passed"
    stopped: str = ""
    opened: dict[str, Any] = field(default_factory=dict)


def written(reports: Path, run: Run, plan: dict[str, Any] | None = None) -> list[Entry]:
    """Write the journal of a run into its folder and return its entries. `plan` is the plan that the run keeps."""
    journal = Journal(reports / run.name / "journal.jsonl", Redactor())
    opened = {
        "format": 1, "incident": run.name, "project": "shop", "directory": "/srv/shop", "mode": run.mode,
        "type": "plan" if run.mode == "plan" else "rollback", "asked_for": ASKED | run.asked, "operator": "ada",
        "operator_host": "laptop", "scenarios": [SCENARIO],
    }  # fmt: skip
    journal.write("opened", **(opened | run.opened))
    if plan is not None:
        journal.write("plan", **plan)
    told(journal, run)
    if run.outcome is not None:
        made = [deed.summary for deed in run.deeds if deed.state in ("done", "begun") and deed.scope == "production"]
        journal.write("closed", outcome=run.outcome, changes_made=made, reached=[], remaining=[])
    journal.close()
    return journal.entries


def told(journal: Journal, run: Run) -> None:
    """Write what a run did: its facts, then each change in a separate step."""
    journal.write("scenario began", scenario=SCENARIO, feature="2. Chapter", description="")
    for name, value in ({"target": {"tag": "v1", "digests": DIGESTS}, "strategy": "image-only"} | run.facts).items():
        journal.write("fact", name=name, value=value)
    for number, deed in enumerate(run.deeds, start=1):
        outcome = {"planned": "planned", "begun": "failed"}.get(deed.state, "passed")
        _deed(journal, deed, f"2.1.{number}")
        journal.write(
            "step ended", outcome=outcome, detail="broke" if deed.state == "begun" else "", next_step="", seconds=0.1
        )
    if run.stopped:
        journal.write("step began", id="2.1.9", keyword="Then", text="all is well", scenario=SCENARIO, place="f:9")
        journal.write("step ended", outcome="failed", detail=run.stopped, next_step="", seconds=0.1)
    journal.write("scenario ended", scenario=SCENARIO, outcome="failed" if run.stopped else "passed", provides=[])


def _deed(journal: Journal, deed: Deed, place: str) -> None:
    journal.write("step began", id=place, keyword="When", text=deed.summary, scenario=SCENARIO, place=f"f:{place[-1]}")
    told = about(deed.summary, deed.scope)
    if deed.state == "already so":
        journal.write("action", state="already so", evidence=deed.evidence, **told)
    else:
        state = "planned" if deed.state == "planned" else "begun"
        message = {"message": deed.message} if deed.message else {}
        journal.write("action", state=state, commands=list(deed.commands), **message, **told)
    if deed.state == "done":
        journal.write("action", state="done", seconds=0.1, receipts=[], **told)
