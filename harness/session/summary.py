"""The last lines on the terminal: the changes made, the state of production, and what to type next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from harness.hosts.on_host import OnHost
from harness.session.run import RunSession
from runbook.actions import Outcome, Scope, same_change
from runbook.incident.facts import Facts, Strategy
from runbook.incident.production_facts import Snapshot, Unknown
from runbook.journal.journal import Entry
from runbook.report.downtime import measured, still_down
from runbook.report.follow_up.approvals import approvals
from runbook.report.incident_report import IncidentReport
from runbook.report.next_command import Next, abandoning, gate_in_words, next_command
from runbook.report.plan.model import Interruption, Plan
from runbook.report.plan.reading import plan_of
from runbook.report.production_view import gate
from runbook.report.timeline import Step
from runbook.settings.absent import Absent
from runbook.text import counted

#: The outcomes of plans that can be executed.
_CARRIED_OUT = (Outcome.PLANNED, Outcome.DECISION_NEEDED)
_DIGEST = len("sha256:") + 12
#: Seconds that the last lines wait at most for the forecast.
_FORECASTING = 2.0


def last_lines(conduct: RunSession) -> list[str]:
    """Return what a person under stress must know at the end of a run, most important last."""
    incident = conduct.incident
    changes = conduct.changes_made
    unfinished = _unfinished(conduct.journal.entries)
    made = [change for change in changes if change not in unfinished]
    changed = counted(len(made), "change was", "changes were") if made else "no changes were"
    begun = f", and {len(unfinished)} begun but not finished" if unfinished else ""
    outcome, trouble = (conduct.ending.outcome, conduct.ending.trouble) if conduct.ending else (Outcome.INTERRUPTED, [])
    lines = [f"{outcome.upper()}: {changed} made to production{begun}", *(f"  - {change}" for change in made)]
    lines += [f"  - not finished: {change}" for change in unfinished]
    if conduct.planned_only is not None and conduct.planned_only.void is not None and not changes:
        lines.insert(0, f"ERROR: {conduct.planned_only.void}")
    if changes and (stopped := IncidentReport(conduct.journal.entries).failed):
        lines += [f"  stopped at: {stopped[0].keyword} {stopped[0].text}", f"    {stopped[0].detail}"]
    lines += [f"  {line}" for line in [*trouble, *_accepted(conduct)]]
    lines += [f"  {line}" for line in left_out_lines(conduct.not_configured)]
    for each in conduct.hosts:
        lines += [f"  {line}" for line in _as_it_is(conduct, each, unfinished=bool(unfinished))]
    if conduct.locks is not None:
        lines.append(f"    lock      {conduct.locks.state}")
    if incident.facts.release_to_deploy:
        lines += [f"  {line}" for line in way_back_lines(incident.facts)]
    elif not changes and conduct.run.kind != "validation":
        failed = IncidentReport(conduct.journal.entries).failed
        lines += [f"  {line}" for line in recovery_lines(incident.facts, failed[0] if failed else None)]
        if not failed and (incident.facts.strategy or incident.facts.switch):
            lines.append(f"  expected interruption: {conduct.expected_interruption(_FORECASTING)}")
    lines += [f"  {line}" for line in _next(conduct)]
    return lines


def _as_it_is(conduct: RunSession, host: OnHost, *, unfinished: bool) -> list[str]:
    """Return the last known state of production on a host."""
    changes, on = host.incident.changes_made, f" on {host.name}" if host.name else ""
    after = host.incident.facts.after or (None if changes else host.incident.facts.before)
    if isinstance(after, Snapshot):
        # The engine still executes what an interrupted command asked of it.
        goes_on = unfinished and conduct.outcome is Outcome.INTERRUPTED
        seen = f"at {after.at[11:19]} UTC, and an unfinished change may still be running" if goes_on else "now"
        return [f"production{on} {seen}:", *(f"  {line}" for line in state(after))]
    known_once = bool(changes) or (after is not None and host.incident.facts.before is not None)
    return [f"the state of production{on} is unknown: {after or 'it could not be checked'}"] if known_once else []


def plan_of_run(conduct: RunSession) -> Plan:
    """Return the plan that a run has made."""
    journal = conduct.journal
    expected = conduct.forecast(_FORECASTING)
    interruption = None if expected is None else Interruption.model_validate(asdict(expected))
    return plan_of(journal.entries, journal.head, interruption=interruption, following=_of_part(conduct))


def remarks_on_plan(conduct: RunSession) -> list[str]:
    """Return what else the reader of a plan must know: problems, paused traffic, acceptances, parts left out."""
    entries = conduct.journal.entries
    probed = measured(entries)
    answered, probes = sum(run.good for run in probed), sum(len(run.probes) for run in probed)
    told = f"users are NOT served: {answered} of {probes} probes of the public address succeeded"
    down = [told] if still_down(probed) else []
    left_out = [line.strip() for line in left_out_lines(conduct.not_configured, fully=False)]
    trouble = conduct.ending.trouble if conduct.ending else ()
    return [*trouble, *_paused(entries), *down, *_accepted(conduct), *left_out]


def _paused(entries: Sequence[Entry]) -> list[str]:
    word = "held" if gate(entries) == "held" else "paused"
    return [f"traffic is {word}: the gate was {by}"] if (by := gate_in_words(entries)) else []


def _accepted(conduct: RunSession) -> list[str]:
    vouched, lines = sorted({step for each in conduct.hosts for step in each.incident.vouched}), []
    if vouched:
        lines.append(f"failed or inconclusive, but accepted by a person: {', '.join(vouched)}")
    unused = [each.option for each in approvals(conduct.journal.entries) if not each.used]
    return [
        *lines,
        *(f"{each} had no effect: there was nothing to decide, or the run did not get that far" for each in unused),
    ]


def _of_part(conduct: RunSession) -> Next | None:
    """Return what to type after a partial plan, or None if the plan itself says so."""
    if conduct.outcome in _CARRIED_OUT and conduct.is_part:
        return Next("this is a partial plan; for the full plan, type", conduct.run.again)
    return None


def _unfinished(entries: Sequence[Entry]) -> list[str]:
    """Return the changes to production that were begun and have no end in the journal."""
    newest = {
        (entry.get("on"), same_change(entry)): entry
        for entry in entries
        if entry["kind"] == "action" and entry["scope"] == Scope.PRODUCTION
    }
    begun = [entry for entry in newest.values() if entry["state"] == "begun"]
    return [f"{entry['on']}: {entry['summary']}" if entry.get("on") else entry["summary"] for entry in begun]


#: Missing parts that change what a rollback does or sees. A plan says what follows from these.
_WEIGHTY = (Absent.DATABASE, Absent.GATE, Absent.HEALTH, Absent.PUBLIC_ADDRESS)


def left_out_lines(left_out: Mapping[Absent, int], *, fully: bool = True) -> list[str]:
    """Return how many steps had nothing to do because of missing settings, and what follows from that.

    Unless `fully`, the less important ones are only named, in one line.
    """
    if not left_out:
        return []
    total = sum(left_out.values())
    steps = counted(total, "step was", "steps were")
    by_key = sorted(left_out.items(), key=lambda item: item[0].key)
    told = [each for each in by_key if fully or each[0] in _WEIGHTY]
    others = ", ".join(f"{absent.key} ({times})" for absent, times in by_key if (absent, times) not in told)
    return [
        f"{steps} not configured, so neither done nor checked:",
        *(f"  {absent.key} ({times}): {absent.follows}" for absent, times in told),
        *([f"  {others}: to see what follows, type runbook settings"] if others else []),
    ]


def state(snapshot: Snapshot) -> list[str]:
    """Return the state of production, one line per thing that matters at 3 a.m."""
    schema = snapshot.revisions if isinstance(snapshot.revisions, Unknown) else ", ".join(snapshot.revisions)
    lines = [f"release   {', '.join(snapshot.tags)}"]
    for item in sorted(snapshot.containers, key=lambda item: (item.service, item.state != "running")):
        digest = item.digest or snapshot.digests.get(item.service, "")
        if digest or item.state != "running" or item.health == "unhealthy":
            health = "" if item.health == "none" else f", {item.health}"
            known = digest.startswith("sha256:")
            runs = f" {digest[:_DIGEST] if known else 'of unknown digest'}" if digest else ""
            # After an interrupted switch, containers of both releases are present.
            tag = f" {item.tag}" if len(snapshot.tags) > 1 and item.tag else ""
            lines.append(f"{item.service:<9}{tag}{runs} {item.state}{health}")
    return [*lines, f"gate      {snapshot.gate_in_words}", f"schema    {schema}"]


def _next(conduct: RunSession) -> list[str]:
    entries = conduct.journal.entries
    lines = _paused(entries)
    following = _of_part(conduct) or next_command(entries)
    if following is None:
        return lines
    for each in filter(None, (following, following.then)):
        lines += [f"{each.why}:", f"  {each.command}"]
    if not conduct.run.abandons and (back := abandoning(entries)):
        lines += ["or, to remove the target's containers and keep the failed release:", f"  {back}"]
    return lines


#: Steps of evidence in the last lines. The record has all of them.
_SHOWN = 4


def recovery_lines(facts: Facts, stopped: Step | None) -> list[str]:
    """Return the recovery that the facts of an unchanged incident lead to, with its evidence.

    `stopped` is the step that stopped the run, or None if the run completed.
    """
    if stopped is None:
        return _applies(facts)
    # Only context now: what would have been done is no longer advice.
    applies = _applies(facts)
    considered = ["before it stopped, the run had found:", *(f"  {line}" for line in applies)] if applies else []
    return [*considered, *_held(stopped)]


def _applies(facts: Facts) -> list[str]:
    if switch := facts.switch:
        turned = f"{switch.variable}={switch.value}"
        return [f"recovery: the switch {switch.name} is turned ({turned}); release and schema stay as they are"]
    strategy, verdict = facts.strategy, facts.verdict
    tag, at, head = facts.target_tag, _joined(facts.revisions), _joined(facts.target_heads)
    if strategy is Strategy.FORWARD_FIX:
        reason = f"because you named it, and its migrations continue from the database's revision {at}"
        return [f"strategy: forward to {tag}; the schema is migrated to {head}", f"  {reason}", *_loss(facts)]
    back = {
        Strategy.IMAGE_ONLY: f"strategy: only the application goes back, to {tag}; the schema stays at {at}",
        Strategy.BRIDGE: f"strategy: only the application goes back, to {tag}; the schema stays at {at}, relaxed"
        " without touching a row",
        Strategy.DOWNGRADE: f"strategy: the schema is downgraded from {at} to {head}, then the application"
        f" goes to {tag}",
    }
    lines = [back[strategy]] if strategy else []
    if verdict:
        lines.append(f"  because the verdict on the migrations is {verdict.verdict}:")
        lines += _shown(verdict.evidence)
    return [*lines, *_bridge(facts), *(_loss(facts) if strategy is Strategy.DOWNGRADE else []), *_drift(facts)]


def _bridge(facts: Facts) -> list[str]:
    if facts.bridge is None:
        return []
    if facts.strategy is Strategy.BRIDGE:
        return ["  the bridge stays until a forward-fix removes it:", *_shown(facts.bridge.told)]
    option = f'--strategy {Strategy.BRIDGE} --because "why"'
    return [f"  or keep the schema, relaxed for {facts.target_tag}, and lose nothing: {option}"]


def _drift(facts: Facts) -> list[str]:
    drift, back = facts.configuration_drift, facts.configuration_to_restore
    if back and back.files:
        stays = "" if not back.remaining else f"; keys that still differ: {len(back.remaining)}, in the record"
        names = ", ".join(each.path for each in back.files)
        return [f"configuration restored: {names}, as when {back.tag} was validated{stays}"]
    if drift is None or not drift.differences:
        return []
    since = f"since {drift.tag} was validated"
    if isinstance(drift.differences, Unknown):
        return [f"unknown whether the configuration changed {since}: {drift.unknown}"]
    keys = counted(len(drift.differences), "key")
    left = "only --with-configuration restores it"
    return [f"configuration changed {since}: {keys}, in the record; {left}"]


def _loss(facts: Facts) -> list[str]:
    if facts.loss is None:
        return []
    if not facts.loss:
        return ["  this destroys no data; a restore point is taken first"]
    return [f"  the {facts.strategy} destroys the following (a restore point is taken first):", *_shown(facts.loss)]


def way_back_lines(facts: Facts) -> list[str]:
    """Return how a rollback from the release to deploy would work, as far as known, and what would be lost."""
    if facts.release_to_deploy is None or facts.verdict is None:
        return []
    released, back = facts.release_to_deploy.tag, facts.target_tag
    ways = {
        None: "is not decided yet",
        Strategy.IMAGE_ONLY: "reverts the image and keeps the schema",
        Strategy.DOWNGRADE: f"downgrades the schema to {_joined(facts.target_heads)}, then reverts the image",
    }
    lines = [f"a rollback from {released} to {back} {ways.get(facts.strategy, facts.strategy)}"]
    lines += [f"  because the verdict on the migrations is {facts.verdict.verdict}:", *_shown(facts.verdict.evidence)]
    if facts.bridge:
        told = f"  or, if a person chooses it, the schema stays, relaxed for {back}, and nothing is lost:"
        lines += [told, *_shown(facts.bridge.told)]
    elif facts.verdict.no_bridge:
        lines.append(f"  the schema cannot be relaxed for {back} instead: {facts.verdict.no_bridge}")
    if facts.loss is None:
        return lines
    return [*lines, *(["  would be lost:", *_shown(facts.loss)] if facts.loss else ["  nothing would be lost"])]


def _held(stopped: Step) -> list[str]:
    if stopped.outcome == Outcome.INTERRUPTED:
        return [f"stopped at: {stopped.keyword} {stopped.text}"]
    helps = [f"  next step: {stopped.next_step}"] if stopped.next_step else []
    return [f"production is held as it is, at: {stopped.keyword} {stopped.text}", f"  {stopped.detail}", *helps]


def _shown(evidence: Sequence[str]) -> list[str]:
    more = len(evidence) - _SHOWN
    left_out = [f"    - and {more} more, in the record"] if more > 0 else []
    return [*(f"    - {step}" for step in evidence[:_SHOWN]), *left_out]


def _joined(revisions: Sequence[str] | None) -> str:
    return ", ".join(revisions or ()) or "no revision"
