"""Journals of plans, one per rehearsed incident, as short as possible and complete enough for the one-screen plan."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from runbook.report.plan.model import Plan
from runbook.report.plan.reading import plan_of
from tests.support.incident_facts import BRIDGE

AT = "2025-12-18T03:00:00.000000Z"
DIRECTORY = "/srv/shop"
HEAD = "5b" * 32
FAILED, TARGET = "2025-12-18-rc1", "2025-12-15-rc1"
RAN = {"api": "sha256:" + "e4" * 32, "jobs": "sha256:" + "b9" * 32}
BACK = {"api": "sha256:" + "b1" * 32, "jobs": "sha256:" + "04" * 32}
LOSS = ("column orders.note: 2 rows hold values", "table customers: 7 rows hold values")


def container(service: str, state: str = "running", health: str = "healthy") -> dict[str, Any]:
    return {
        "id": f"{service}-id", "name": f"shop-{service}-1", "service": service, "image_id": "i", "image_name": "n",
        "state": state, "health": health, "restarts": 0, "started_at": "2025-12-18T02:46:00.123456789Z",
    }  # fmt: skip


def before(**more: Any) -> dict[str, Any]:
    """Return production as the plan found it: the api runs, and the jobs crash."""
    return {
        "at": AT,
        "containers": [container("api"), container("jobs", "restarting", "none"), container("db")],
        "digests": RAN,
        "tags": [FAILED],
        "env_file": {"path": f"{DIRECTORY}/.env", "sha256": "5a" * 32, "mode": "640", "owner": "0:0"},
        "schema": ["0003"],
        "readiness": {"status": 503, "answer": {"ready": False, "database": True, "jobs": False}},
        "gate": "open",
        "public": {"by": "application", "seen": "http://shop/orders answers 500 from the application"},
        "log_errors": {"api: KeyError": 12},
    } | more


def candidate(number: int, tag: str, kind: str = "validated", *, bars: bool = False) -> dict[str, Any]:
    against = [{"against": "failed", "why": "it failed", "bars": True}] if bars else []
    return {
        "number": number, "tag": tag, "kind": kind, "time": "2025-12-15T10:42:00Z", "digests": {}, "evidence": [],
        "against": against, "level": ["0003"], "level_as_before": True,
    }  # fmt: skip


def action(name: str, resource: str, **more: Any) -> dict[str, Any]:
    """Return a planned action. `old` is the value it changes from."""
    told = {"from" if key == "old" else key: value for key, value in more.items()}
    commands = [f"do {name}"]
    return {"kind": "action", "state": "planned", "action": name, "summary": f"{name} of {resource}",
            "scope": "production", "resource": resource, "commands": commands, **told}  # fmt: skip


NOTE = f"{DIRECTORY}/.runbook/open_incident.json"
OPENING = (
    action("open_rollback", NOTE, to=TARGET),
    action("quarantine", f"{DIRECTORY}/.runbook/quarantine.jsonl", to=FAILED),
    action("pause_traffic", "traffic gate", to="closed"),
)
SWITCH = (
    action(
        "set_image_tag", f"{DIRECTORY}/.env", variable="IMAGE_TAG", old=FAILED, to=TARGET,
        leaves=[{"path": f"{DIRECTORY}/.runbook/i-1.env", "what": "copy"}],
    ),
    action("bring_up", "api, jobs", to=TARGET),
    action("resume_traffic", "traffic gate", to="open"),
)  # fmt: skip
BESIDE = (
    SWITCH[0],
    action("start_beside", "api", to=TARGET),
    action("bring_up", "jobs", to=TARGET),
    action("hold_traffic", "traffic gate", to="held"),
    action("take_out_failed", "api"),
    SWITCH[-1],
    action("remove_failed", "api"),
)
SWITCHOVER = {"mode": "beside", "meanwhile": "held", "reasons": [], "numbers": {"api": 1}, "in_turn": ["jobs"]}
PEOPLE = (
    action("enter_ledger", f"{DIRECTORY}/.runbook/known_good.jsonl", to=TARGET),
    action("open_ticket", "shop/shop"),
    action("announce", "JSON"),
    action("close_rollback", NOTE),
)
MIGRATING = (
    action("stop_application", "api, jobs"),
    action("take_restore_point", "shop", to=f"{DIRECTORY}/.runbook/i-1.dump"),
    action("remove_dump", "db:/tmp/i-1.dump"),
)
UNDOING = (*OPENING, *MIGRATING, action("downgrade", "shop", to="0003"), *SWITCH, *PEOPLE)
FACTS: Mapping[str, Any] = {
    "before": before(),
    "origin": {"tags": [FAILED], "digests": RAN, "log_errors": {}},
    "target": {"tag": TARGET, "images": {}, "digests": BACK},
    "schema": ["0003"],
    "target migrations": {
        "graph": {"heads": ["0003"]},
        "models": {},
        "problems": [],
        "span": None,
        "upgrade": None,
        "downgrade": None,
    },
    "verdict": {"verdict": "unchanged", "evidence": ["the database is at 0003; the target expects 0003"]},
    "strategy": "image-only",
    "together": {"recreated": {}, "left": {}, "differed": {}},
}
_DROPPED = "orders.customer: it is dropped, and the target's code selects and inserts it by its old name"
_BREAKING = {"verdict": "breaking", "evidence": [_DROPPED, "orders.note: was added", "customers: is new"]}


def entries(  # noqa: PLR0913 - each is a part of a plan
    facts: Mapping[str, Any],
    actions: Sequence[Mapping[str, Any]] = (),
    *,
    outcome: str = "planned",
    stopped: Mapping[str, str] | None = None,
    candidates: Sequence[Mapping[str, Any]] = (),
    left_out: int = 5,
    other_switch: int = 0,
    **opened: Any,
) -> list[dict[str, Any]]:
    """Return the entries of a plan: its facts, the choice, each action in a separate step, and the outcome."""
    asked: dict[str, Any] = dict.fromkeys(("target", "forward_fix", "accept_loss", "verdict", "because"))
    first = {
        "kind": "opened", "format": 1, "incident": "i-1", "project": "shop", "directory": DIRECTORY, "type": "plan",
        "mode": "plan", "asked_for": asked, "typed": [".venv/bin/pytest", "features"], "operator": "ada",
        "host": "prod-1", "scenarios": ["a", "b"], "text": {"features": "f", "code": "c", "settings": "s"},
    }  # fmt: skip
    found: list[dict[str, Any]] = [first | opened]
    found.append({"kind": "scenario began", "scenario": "S", "feature": "1", "description": ""})
    found += [{"kind": "fact", "name": name, "value": value} for name, value in facts.items()]
    chosen = {"question": "target", "text": "?", "answer": TARGET, "by_human": False, "evidence": []}
    found.append({"kind": "decision", **chosen, "candidates": list(candidates), "sources": []})
    if "switchover" in facts:
        why = ["api twice (113 of 5022 MiB)", "requests wait meanwhile"]
        switch = {"question": "switch", "text": "?", "answer": facts["switchover"]["mode"], "by_human": False}
        found.append({"kind": "decision", **switch, "evidence": why})
    for number, each in enumerate(actions, 1):
        found.append(_began(f"2.1.{number}", "When", str(each["action"])))
        found += [dict(each), {"kind": "check", "expected": "x", "deadline": 0, "state": "planned"}]
        found.append({"kind": "step ended", "outcome": "planned", "detail": "", "next_step": "", "seconds": 0.1})
    if stopped is not None:
        found.append(_began("1.3.1", "Given", "the last known-good image tag"))
        found.append({"kind": "step ended", "seconds": 0.1, "next_step": "", **stopped})
    left = {"feature": "3", "outcome": "not applicable", "why": "strategy", "reason": "is for another one"}
    found += [{"kind": "scenario left out", "scenario": f"L{number}", **left} for number in range(left_out)]
    left |= {"feature": "2", "why": "switch"}
    found += [{"kind": "scenario left out", "scenario": f"W{number}", **left} for number in range(other_switch)]
    found.append({"kind": "closed", "outcome": outcome, "changes_made": [], "reached": [], "remaining": []})
    ends = {"previous": "", "sha256": HEAD}
    return [{"seq": number, "time": AT, **entry, **ends} for number, entry in enumerate(found)]


def _began(place: str, keyword: str, text: str) -> dict[str, Any]:
    return {"kind": "step began", "id": place, "keyword": keyword, "text": text, "scenario": "S", "place": "f:1"}


def a_plan(entries: Sequence[Mapping[str, Any]], **more: Any) -> Plan:
    """Return the plan in these entries."""
    return plan_of(list(entries), HEAD, **more)


def regression(**more: Any) -> list[dict[str, Any]]:
    """Only the images go back. Three other releases could be the target, and one could not."""
    listed = [candidate(1, TARGET), *(candidate(n, f"v{n}") for n in (2, 3, 4)), candidate(5, FAILED, bars=True)]
    facts = dict(FACTS) | {"switchover": SWITCHOVER}
    return entries(facts, (*OPENING[:-1], *BESIDE, *PEOPLE), candidates=listed, other_switch=4, **more)


def additive() -> list[dict[str, Any]]:
    """The schema stays newer than the target knows."""
    verdict = {"verdict": "additive", "evidence": ["customers: code that does not know it does not use it"]}
    return entries(dict(FACTS) | {"schema": ["0004"], "verdict": verdict}, (*OPENING, *SWITCH, *PEOPLE))


def breaking(*, accepted: bool = True) -> list[dict[str, Any]]:
    """The schema goes back and data is lost: accepted, or waiting for a person's decision."""
    facts = dict(FACTS) | {"schema": ["0004"], "verdict": _BREAKING, "strategy": "downgrade", "loss": list(LOSS)}
    if accepted:
        return entries(facts, UNDOING, asked_for={"accept_loss": "0004"})
    undecided = {"undecided": {"3.1.2": ["--accept-loss", "0004"]}}
    return entries(facts | undecided, UNDOING, outcome="decision needed")


def bridged(*, chosen: bool = True) -> list[dict[str, Any]]:
    """The schema stays and is relaxed, as a person chose; or it goes back, and the bridge is offered as well."""
    facts = dict(FACTS) | {"schema": ["0004"], "verdict": _BREAKING, "bridge": BRIDGE["bridge"]}
    if not chosen:
        return entries(facts | {"strategy": "downgrade", "loss": list(LOSS)}, UNDOING)
    note = action("note_bridge", f"{DIRECTORY}/.runbook/bridge.json")
    relaxing = (note, action("build_bridge", "shop"))
    return entries(facts | {"strategy": "bridge"}, (*OPENING, *relaxing, *SWITCH, *PEOPLE))


def review() -> list[dict[str, Any]]:
    """Only a person can judge the migrations."""
    options = ["--verdict", "breaking", "--because", "why it is so"]
    facts = {name: value for name, value in FACTS.items() if name != "strategy"}
    facts |= {
        "schema": ["0004"],
        "verdict": {"verdict": "review", "evidence": ["DO $$: cannot be judged"]},
        "undecided": {"1.5.4": options},
    }
    return entries(facts, UNDOING, outcome="decision needed")


def irreversible() -> list[dict[str, Any]]:
    """A downgrade does nothing, so production is held."""
    stopped = {
        "outcome": "failed",
        "detail": "expected a working downgrade of each revision; seen: downgrade() of 0004 does nothing (pass)",
        "next_step": "ship a forward-fix, and roll it out with --forward-fix TAG",
    }
    facts = dict(FACTS) | {"schema": ["0004"], "verdict": _BREAKING, "strategy": "downgrade"}
    return entries(facts, (), outcome="failed", stopped=stopped)


def forward_fix() -> list[dict[str, Any]]:
    """The application and the schema go forward to the named release."""
    facts = {name: value for name, value in FACTS.items() if name != "verdict"} | {
        "strategy": "forward-fix",
        "schema": ["0004"],
        "target migrations": {"graph": {"heads": ["0005"]}},
        "loss": [],
    }
    undoing = (*OPENING, *MIGRATING, action("upgrade", "shop", to="0005"), *SWITCH, *PEOPLE)
    return entries(facts, undoing, asked_for={"forward_fix": TARGET})


def export_leak() -> list[dict[str, Any]]:
    """An emergency: one switch is turned off, and the release stays."""
    switch = {"name": "exports", "variable": "EXPORT_MODE", "value": "off", "state": "off"}
    actions = (
        action("set_kill_switch", f"{DIRECTORY}/.env", variable="EXPORT_MODE", old="on", to="off"),
        action("hold_traffic", "traffic gate", to="held", longest_wait=20.0),
        action("redeploy", "api", to=FAILED),
        SWITCH[-1],
        action("announce", "JSON"),
    )
    return entries({"before": before(), "switch": switch}, actions, type="emergency", left_out=0)


def restore() -> list[dict[str, Any]]:
    """A dump replaces the live database."""
    beside, aside = "shop_restored_20251218030000", "shop_before_20251218030000"
    dump = f"{DIRECTORY}/.runbook/20251217T030000Z-shop-rollback.dump"
    fact = {"path": dump, "sha256": "cd" * 32, "size": 815, "made": "2025-12-17 03:00:00 UTC", "database": "shop"}
    actions = (
        action("restore_beside", dump, to=beside),
        OPENING[-1],
        *MIGRATING[:2],
        action("swap_database", "shop", old="shop", to=aside),
        action("log_incident", "/home/ops/incidents.md"),
        action("announce", "JSON", to="restore"),
    )
    facts = {"before": before(), "to restore": fact | {"kept_as": aside, "revisions": ["0003"]}}
    return entries(facts, actions, type="restore", left_out=0, asked_for={"dump": PurePosixPath(dump).name})


#: A plan for each incident, with its maximum number of lines at 80 columns.
INCIDENTS = {
    "regression": (regression, 25),
    "additive-migration": (additive, 25),
    "breaking-migration": (breaking, 35),
    "breaking-migration, to be accepted": (lambda: breaking(accepted=False), 35),
    "review": (review, 35),
    "irreversible-migration": (irreversible, 25),
    "forward-fix": (forward_fix, 35),
    "export-leak": (export_leak, 25),
    "restore": (restore, 25),
}
