"""The incident record as JSON, for programs: the content of the page in typed members."""

import json
from dataclasses import asdict
from typing import Any

from runbook.journal.verify import Verified
from runbook.report.follow_up.approvals import approvals
from runbook.report.follow_up.at_a_glance import at_a_glance
from runbook.report.follow_up.follow_ups import follow_ups
from runbook.report.follow_up.review import review
from runbook.report.incident_report import IncidentReport
from runbook.report.status import ending

FORMAT = "incident-record/1"


def as_object(verified: Verified, folder: str, *, under_way: bool = False) -> dict[str, Any]:
    """Return the record in JSON's types. docs/record.md describes its members. Unknown values are None."""
    entries, story = verified.entries, IncidentReport(verified.entries)
    ended = ending(story, verified, under_way=under_way)
    glance = at_a_glance(story, entries, end_unknown=ended.unknown)
    follow, reviewed = follow_ups(entries, end_unknown=ended.unknown), review(entries)
    failed, target = story.from_to
    return {
        "format": FORMAT,
        "incident": story.opened.get("incident", folder),
        "project": story.opened.get("project"),
        "host": story.opened.get("host"),
        "kind": story.opened.get("type"),
        "mode": story.opened.get("mode"),
        "operator": story.opened.get("operator"),
        "journal": {"whole": verified.whole, "head": verified.head, "problem": verified.problem},
        "outcome": story.closed.get("outcome"),
        "headline": ended.headline,
        "under_way": under_way,
        "from": failed or None,
        "to": target or None,
        "strategy": story.facts.strategy,
        "verdict": story.facts.verdict.verdict if story.facts.verdict else None,
        "loss": story.facts.loss,
        "bridge": story.facts.bridge.told if story.facts.bridge else None,
        "no_bridge": (story.facts.verdict.no_bridge or None) if story.facts.verdict else None,
        "began": story.began or None,
        "ended": story.ended if story.closed else None,
        "resumed": [entry["time"] for entry in story.resumed],
        "seconds": {
            "to_recover": story.time_to_recover,
            "without_service": story.without_service,
            "without_service_is_all": story.without_service_for_sure,
            "gate_closed": story.production.gate_closed_seconds,
            "live_before_detected": reviewed.live_before_detected,
        },
        "users": {"served": glance.served, "told": glance.users},
        "next": {"why": glance.following, "command": glance.command or None},
        "review": {name: value or None for name, value in asdict(reviewed).items() if name != "links"}
        | {"links": [asdict(each) for each in reviewed.links]},
        "changes": story.closed.get("changes_made"),
        "decisions": [
            {name: entry.get(name) for name in ("time", "question", "text", "answer", "by_human", "evidence")}
            for entry in story.decisions
        ],
        "approvals": [asdict(each) for each in approvals(entries)],
        "to_do": [asdict(each) for each in follow.to_do],
        "ticket": follow.ticket.address or None if follow.ticket else None,
        "steps": [
            {
                "seq": step.seq,
                "place": step.place,
                "keyword": step.keyword,
                "text": step.text,
                "outcome": step.outcome,
                "began": step.began,
                "seconds": step.seconds,
                "detail": step.detail,
            }
            for step in story.steps
        ],
    }


def text(verified: Verified, folder: str, *, under_way: bool = False) -> str:
    """Return the record as indented JSON text. All characters outside ASCII are escaped, so that none is invisible."""
    return json.dumps(as_object(verified, folder, under_way=under_way), indent=2, sort_keys=False) + "\n"
