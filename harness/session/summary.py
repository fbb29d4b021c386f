"""The last lines on the terminal: what was changed, what production is now, and what to type next."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.session.run import RunSession
from runbook.actions import Outcome, Scope, same_change
from runbook.errors import why_unknown
from runbook.incident.facts import Strategy
from runbook.journal.journal import Entry
from runbook.production.gate_state import describe_gate
from runbook.report.follow_up.approvals import approvals
from runbook.report.incident_report import IncidentReport
from runbook.report.next_command import gate_in_words, next_command
from runbook.report.timeline import Step

#: The outcomes of plans that can be carried out.
_CARRIED_OUT = (Outcome.PLANNED, Outcome.DECISION_NEEDED)
_DIGEST = len("sha256:") + 12


def last_lines(conduct: RunSession) -> list[str]:
    """Everything that a person under stress must know when the run is over, most important last."""
    incident = conduct.incident
    changes = incident.changes_made
    unfinished = _unfinished(incident.journal.entries)
    made = [change for change in changes if change not in unfinished]
    counted = "1 change was" if len(made) == 1 else f"{len(made) or 'no'} changes were"
    begun = f", and {len(unfinished)} begun but not finished" if unfinished else ""
    outcome, trouble = (conduct.ending.outcome, conduct.ending.trouble) if conduct.ending else (Outcome.INTERRUPTED, [])
    lines = [f"{outcome.upper()}: {counted} made to production{begun}", *(f"  - {change}" for change in made)]
    lines += [f"  - not finished: {change}" for change in unfinished]
    lines += [f"  {line}" for line in trouble]
    if incident.vouched:
        lines.append(f"  not checked, or not so, but accepted by a person: {', '.join(sorted(incident.vouched))}")
    unused = [each.option for each in approvals(incident.journal.entries) if not each.used]
    lines += [f"  {option} had no effect: nothing was to decide there, or it did not come to that" for option in unused]
    after = incident.facts.get("after", None if changes else incident.facts.get("before"))
    why = why_unknown(after)
    if isinstance(after, Mapping) and not why:
        # The engine goes on with what a command that was stopped had asked it for.
        goes_on = unfinished and conduct.outcome is Outcome.INTERRUPTED
        seen = f"at {after['at'][11:19]} UTC, and what was not finished may be at work still" if goes_on else "now"
        lines += [f"  production {seen}:", *(f"    {line}" for line in state(after))]
    elif changes:
        lines.append(f"  what production is now is not known: {why or 'nobody could look'}")
    if conduct.lock is not None:
        lines.append(f"    lock      {conduct.lock.state}")
    if not changes and conduct.run.kind != "validation":
        failed = IncidentReport(incident.journal.entries).failed
        lines += [f"  {line}" for line in recovery_lines(incident.facts, failed[0] if failed else None)]
    lines += [f"  {line}" for line in _next(conduct)]
    return lines


def _unfinished(entries: Sequence[Entry]) -> list[str]:
    """The changes to production that were begun, and of which the journal has no end."""
    newest = {
        same_change(entry): entry
        for entry in entries
        if entry["kind"] == "action" and entry["scope"] == Scope.PRODUCTION
    }
    return [entry["summary"] for entry in newest.values() if entry["state"] == "begun"]


def state(snapshot: Mapping[str, Any]) -> list[str]:
    """What production is, a line for each thing that matters at 3 a.m."""
    schema = why_unknown(snapshot["schema"]) or ", ".join(snapshot["schema"])
    lines = [f"release   {', '.join(snapshot['tags'])}"]
    for item in sorted(snapshot["containers"], key=lambda item: (item["service"], item["state"] != "running")):
        digest = item.get("digest", snapshot["digests"].get(item["service"]))
        if digest is not None or item["state"] != "running" or item["health"] == "unhealthy":
            health = "" if item["health"] == "none" else f", {item['health']}"
            known = digest is not None and digest.startswith("sha256:")
            runs = f" {digest[:_DIGEST] if known else 'of unknown digest'}" if digest else ""
            # Old and new stand side by side when a switch was cut short.
            tag = f" {item['tag']}" if len(snapshot["tags"]) > 1 and "tag" in item else ""
            lines.append(f"{item['service']:<9}{tag}{runs} {item['state']}{health}")
    return [*lines, f"gate      {describe_gate(snapshot)}", f"schema    {schema}"]


def _next(conduct: RunSession) -> list[str]:
    entries = conduct.incident.journal.entries
    lines = [f"traffic is paused: the gate was {by}"] if (by := gate_in_words(entries)) else []
    if conduct.outcome in _CARRIED_OUT and conduct.is_part:
        return [*lines, "this was the plan of a part; to plan the whole, type:", f"  {conduct.run.again}"]
    following = next_command(entries)
    return lines if following is None else [*lines, f"{following.why}:", f"  {following.command}"]


#: As many steps of evidence as the last lines show; the record has them all.
_SHOWN = 4


def recovery_lines(facts: Mapping[str, Any], stopped: Step | None) -> list[str]:
    """The recovery that follows from the facts of an incident that changed nothing, and the evidence for it.

    `stopped` is the step at which it stopped, None when it came to its end.
    """
    if stopped is None:
        return _applies(facts)
    # What would have been done is no advice any more.
    applies = _applies(facts)
    considered = ["what was considered:", *(f"  {line}" for line in applies)] if applies else []
    return [*considered, *_held(stopped)]


def _applies(facts: Mapping[str, Any]) -> list[str]:
    if "switch" in facts:
        switch = facts["switch"]
        turned = f"{switch['variable']}={switch['value']}"
        return [f"recovery: the switch {switch['name']} is turned ({turned}); release and schema stay as they are"]
    strategy, verdict = facts.get("strategy"), facts.get("verdict", {})
    tag, at, head = facts.get("target", {}).get("tag"), _joined(facts.get("schema")), _head(facts)
    if strategy == Strategy.FORWARD_FIX:
        reason = f"because it was asked for, and its migrations continue the database's revision {at}"
        return [f"way: forward to {tag}; the schema is migrated on to {head}", f"  {reason}", *_loss(facts)]
    back = {
        Strategy.IMAGE_ONLY: f"strategy: the application alone, to {tag}; the schema stays at {at}",
        Strategy.DOWNGRADE: f"strategy: the schema is downgraded from {at} to {head}, then the application"
        f" goes to {tag}",
    }
    lines = [back[Strategy(strategy)]] if strategy else []
    if verdict:
        lines.append(f"  because the verdict on the migrations is {verdict['verdict']}:")
        lines += _shown(verdict["evidence"])
    return lines + (_loss(facts) if strategy == Strategy.DOWNGRADE else [])


def _loss(facts: Mapping[str, Any]) -> list[str]:
    if "loss" not in facts:
        return []
    if not facts["loss"]:
        return ["  that destroys nothing that the database holds; a restore point is taken before"]
    what = "downgrade" if facts["strategy"] == Strategy.DOWNGRADE else "forward-fix"
    return [f"  the {what} destroys, with a restore point taken before:", *_shown(facts["loss"])]


def _held(stopped: Step) -> list[str]:
    if stopped.outcome == Outcome.INTERRUPTED:
        return [f"stopped at: {stopped.keyword} {stopped.text}"]
    helps = [f"  what helps: {stopped.next_step}"] if stopped.next_step else []
    return [f"production is held as it is, at: {stopped.keyword} {stopped.text}", f"  {stopped.detail}", *helps]


def _shown(evidence: Sequence[str]) -> list[str]:
    more = len(evidence) - _SHOWN
    left_out = [f"    - and {more} more, in the record"] if more > 0 else []
    return [*(f"    - {step}" for step in evidence[:_SHOWN]), *left_out]


def _joined(revisions: Sequence[str] | None) -> str:
    return ", ".join(revisions or ()) or "no revision"


def _head(facts: Mapping[str, Any]) -> str:
    graph = facts.get("target migrations", {}).get("graph") or {}
    return _joined(graph.get("heads"))
