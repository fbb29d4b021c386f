"""A plan read from its journal: releases, strategy, changes and pending decisions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runbook.actions import Outcome, Question
from runbook.incident.facts import Facts
from runbook.incident.production_facts import Snapshot, Unknown
from runbook.journal.journal import Entry
from runbook.journal.of_host import entries_of, hosts_of
from runbook.report.incident_report import IncidentReport
from runbook.report.next_command import Next, next_command
from runbook.report.plan.changes import FOR_PEOPLE, changes_of
from runbook.report.plan.model import (
    Basis,
    Change,
    Decision,
    Failed,
    Following,
    HostFound,
    Interruption,
    LeftOut,
    Migrations,
    Other,
    Plan,
    Restore,
    Stopped,
    Switchover,
    Target,
)
from runbook.report.plan_lookup import compared_facts
from runbook.report.step_digest import StepDigest, step_digests
from runbook.text import counted, times

#: The good states of a container: state and health.
_WELL = (("running", "healthy"), ("running", "none"), ("running", "starting"))


def plan_of(
    entries: Sequence[Entry], head: str, *, interruption: Interruption | None = None, following: Next | None = None
) -> Plan:
    """Return the plan in a journal. `head` is the journal's head hash.

    `interruption` is the expected interruption, None if unknown. `following` is what to type next, if it differs from
    `next_command`.
    """
    story, facts = IncidentReport(entries), IncidentReport(entries).facts
    opened, steps = story.opened, step_digests(entries)
    typed = following or next_command(entries)
    drift = facts.configuration_drift
    return Plan(
        incident=str(opened.get("incident", "")),
        head=head,
        made=story.began,
        by=str(opened.get("operator", "")),
        kind=story.kind,
        project=str(opened.get("project", "")),
        directory=str(opened.get("directory", "")),
        host=opened.get("host"),
        hosts=tuple(_hosts(entries)),
        asked_for=dict(opened.get("asked_for") or {}),
        outcome=str(story.closed.get("outcome", Outcome.INTERRUPTED)),
        stopped=_stopped(story, steps),
        failed=_failed(facts),
        target=_target(facts, entries),
        migrations=_migrations(facts),
        switch=f"{facts.switch.name}: {facts.switch.variable}={facts.switch.value}" if facts.switch else None,
        switchover=_switchover(facts, entries),
        restore=_restore(facts),
        nothing_to_do=facts.nothing_to_do,
        changes=tuple(_changes(entries, facts)),
        checks=sum(entry["kind"] == "check" and entry["state"] == "planned" for entry in entries),
        decisions=tuple(_decisions(facts, steps)),
        left_out=tuple(LeftOut(scenario=e["scenario"], why=e["why"]) for e in _left_out(entries)),
        not_asked=_not_asked(entries),
        configuration_differs=None if drift is None or drift.unknown else len(drift.differences),  # type: ignore[arg-type]  # known
        interruption=interruption,
        following=Following(why=typed.why, command=typed.command) if typed else None,
        basis=basis_of(entries),
        facts=compared_facts(entries),
        steps=tuple(step.as_kept() for step in steps),
    )


def _changes(entries: Sequence[Entry], facts: Facts) -> Iterator[Change]:
    hosts = hosts_of(entries)
    for host in hosts:
        own = entries_of(entries, host)
        for each in changes_of(own, Facts.of(own)):
            yield each.model_copy(update={"on": "" if each.what in FOR_PEOPLE else host})
    if not hosts:
        yield from changes_of(entries, facts)


def _hosts(entries: Sequence[Entry]) -> Iterator[HostFound]:
    for host in hosts_of(entries):
        facts = Facts.of(entries_of(entries, host))
        yield HostFound(name=host, failed=_failed(facts), nothing_to_do=facts.nothing_to_do)


def basis_of(entries: Sequence[Entry]) -> Basis:
    """Return what a plan, or the execution of it, is based on besides its facts."""
    opened, hosts = entries[0] if entries else {}, hosts_of(entries)
    of_each = {host: Facts.of(entries_of(entries, host)) for host in hosts} or {"": Facts.of(entries)}
    env_files = {host: facts.before.env_file.get("sha256", "") for host, facts in of_each.items() if facts.before}
    return Basis(
        env_file=", ".join(f"{host} {found}".strip() for host, found in env_files.items()),
        together={
            f"{how} on {host}" if host else how: which
            for host, facts in of_each.items()
            if facts.together
            for how, which in facts.together.model_dump(exclude={"unknown"}).items()
        },
        text={name: str(value) for name, value in (opened.get("text") or {}).items()},
        scenarios=tuple(map(str, opened.get("scenarios") or ())),
    )


def _restore(facts: Facts) -> Restore | None:
    if (found := facts.to_restore) is None:
        return None
    return Restore(dump=found.path, made=found.made, database=found.database, kept_as=found.kept_as)


def _stopped(story: IncidentReport, steps: Sequence[StepDigest]) -> Stopped | None:
    if story.closed.get("outcome") in (Outcome.PLANNED, Outcome.DECISION_NEEDED, Outcome.NOTHING_TO_DO):
        return None
    step = next((each for each in steps if each.stopped), None)
    if step is None:
        return None
    text = f"{step.keyword} {step.text}"
    return Stopped(step=step.id, text=text, outcome=step.outcome, why=step.detail, helps=step.next_step)


def _failed(facts: Facts) -> Failed:
    found = facts.origin or facts.before
    if found is None:
        return Failed()
    look = facts.before
    if look is None:
        return Failed(tags=found.tags, digests=found.digests)
    why, since = tuple(_bad(look)), _since(look)
    return Failed(tags=found.tags, digests=found.digests, why=why, since=since, seen=look.at)


def _bad(look: Snapshot) -> Iterator[str]:
    """Return what was wrong with production, the most visible to users first."""
    if look.public and look.public.by != "application":
        yield look.public.seen
    if isinstance(look.readiness, Unknown):
        yield f"readiness {look.readiness}"
    elif look.readiness:
        status, answer = look.readiness.get("status"), look.readiness.get("answer")
        bad = [name for name, value in answer.items() if value is False] if isinstance(answer, Mapping) else []
        # `ready` is false whenever a part is: the parts say more.
        parts = [name for name in bad if name != "ready"] or bad
        if parts:
            yield f"not ready: {', '.join(map(str, parts))}"
        elif isinstance(status, int) and status != _OK:
            yield f"readiness answers {status}"
    for container in look.containers:
        if container.service in look.digests and (container.state, container.health) not in _WELL:
            health = f", {container.health}" if container.health not in ("none", "healthy") else ""
            yield f"{container.service} {container.state}{health}"
    yield from _restarted(look)
    if isinstance(look.log_errors, dict) and (errors := sum(look.log_errors.values())):
        yield f"{counted(errors, 'error')} in recent logs"


def _restarted(look: Snapshot) -> Iterator[str]:
    """Return the services that restart. Between two crashes a container looks healthy."""
    for service in look.digests:
        if restarts := sum(each.restarts for each in look.containers if each.service == service):
            yield f"{service} restarted {times(restarts)}"


_OK = 200


def _since(look: Snapshot) -> str:
    """Return when the first container that still runs the release started. Crashing ones start repeatedly."""
    started = [each.started_at for each in look.containers if each.service in look.digests and each.started_at]
    return min(started, default="")


def _target(facts: Facts, entries: Sequence[Entry]) -> Target | None:
    if facts.target is None:
        return None
    chosen = next((e for e in reversed(entries) if e["kind"] == "decision" and e["question"] == Question.TARGET), None)
    listed: Sequence[Mapping[str, Any]] = (chosen or {}).get("candidates") or ()
    this = next((each for each in listed if each["tag"] == facts.target.tag), {})
    barred = {each["tag"] for each in listed if any(one.get("bars") for one in each.get("against", ()))}
    others = [each for each in listed if each["tag"] not in (facts.target.tag, *barred)]
    return Target(
        tag=facts.target.tag,
        digests=facts.target.digests,
        kind=this.get("kind") or "",
        time=this.get("time") or "",
        same_schema=this.get("level_as_before"),
        named=bool(chosen and chosen.get("by_human")),
        others=tuple(Other(number=each["number"], tag=each["tag"]) for each in others),
    )


def _migrations(facts: Facts) -> Migrations:
    return Migrations(
        verdict=facts.verdict.verdict if facts.verdict else None,
        strategy=facts.strategy,
        schema_now=facts.revisions or (),
        schema_then=facts.target_heads,
        evidence=facts.verdict.evidence if facts.verdict else (),
        loss=facts.loss,
        bridge=facts.bridge.told if facts.bridge else None,
        no_bridge=(facts.verdict.no_bridge or None) if facts.verdict else None,
    )


def _switchover(facts: Facts, entries: Sequence[Entry]) -> Switchover | None:
    found = facts.switchover
    if found is None or facts.strategy is None:
        return None
    decided = [e for e in entries if e["kind"] == "decision" and e["question"] == Question.SWITCH]
    why = tuple(map(str, decided[-1]["evidence"])) if decided else ()
    obstacles = tuple(each.obstacle for each in found.reasons)
    return Switchover(mode=found.mode, meanwhile=found.meanwhile, why=why, obstacles=obstacles)


def _decisions(facts: Facts, steps: Sequence[StepDigest]) -> Iterator[Decision]:
    texts = {step.id: f"{step.keyword} {step.text}" for step in steps}
    for step, options in facts.undecided.items():
        about: Sequence[str] = ()
        instead: tuple[str, ...] = ()
        if "--accept-loss" in options:
            about = facts.loss or ()
        elif "--verdict" in options and facts.verdict:
            about = facts.verdict.evidence
            instead = ("--verdict additive", *(("--forward-fix TAG",) if facts.verdict.forward_fix else ()))
        yield Decision(step=step, text=texts.get(step, ""), options=options, about=tuple(about), instead=instead)


def _left_out(entries: Sequence[Entry]) -> Iterator[Entry]:
    yield from (entry for entry in entries if entry["kind"] == "scenario left out")


def _not_asked(entries: Sequence[Entry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if entry["kind"] == "decision" and entry["question"] == Question.TARGET:
            found = {each["source"]: each["down"] for each in entry.get("sources") or () if each.get("down")}
    return found
