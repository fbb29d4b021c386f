"""The content of an incident's messages, from its facts and its journal."""

from dataclasses import replace

from runbook.actions import Action, ActionName, Scope, not_known_yet
from runbook.chapters.context import Context
from runbook.clock import seconds_between, utc_now
from runbook.errors import Inconclusive
from runbook.incident.executor import Executor, Mode
from runbook.incident.facts import Facts, Strategy
from runbook.notify.telling import Kind, Stopped, Telling
from runbook.notify.wording import from_to, is_forward, restore_point_told, restore_told, schema_told, switched_off
from runbook.operator import operator
from runbook.report.downtime import seconds_in_words, so_far
from runbook.report.next_command import gate_in_words
from runbook.settings.absent import Absent
from runbook.settings.people import Turn


def telling(
    incident: Executor,
    project: str,
    kind: Kind = Kind.ROLLBACK,
    *,
    emergency: bool = False,
    restore_point: str | None = None,
) -> Telling:
    """Return what is known of an execution now. `restore_point`, in words, replaces the recorded one."""
    facts, entries = incident.facts, incident.journal.entries
    point = _on_record(facts) if restore_point is None else restore_point
    failed, target = from_to(facts)
    restore = restore_told(facts)
    return Telling(
        incident=incident.name,
        project=project,
        operator=operator(),
        kind=kind,
        emergency=emergency,
        forward=is_forward(facts),
        failed=failed,
        target=target,
        strategy=facts.strategy or "not known",
        verdict=facts.verdict.verdict if facts.verdict else "not known",
        switch=facts.switch,
        restore=restore,
        gate=gate_in_words(entries) if entries else "",
        schema=tuple(schema_told(facts, point)) if facts.verdict or facts.strategy or restore else (),
        switched_off=tuple(switched_off(facts)),
        down=seconds_in_words(so_far(entries)),
        seconds=f"{seconds_between(entries[0]['time'], utc_now()):.0f}" if entries else "unknown",
        record=str(incident.journal.path.with_name("record.html")),
        ticket=facts.ticket or "",
        head=incident.journal.head,
        changes=tuple(incident.changes_made),
    )


def announcing(context: Context) -> Action:
    """Announce that the rollback is done, with the journal's current head hash."""
    return _done(context, "the rollback")


def announcing_switch(context: Context) -> Action:
    """Announce which switch was turned, with the journal's current head hash. Raises Inconclusive without one."""
    if context.incident.facts.switch is None:
        raise Inconclusive("no turned switch is on record", "run all of chapter 4: -m emergency")
    return _done(context, "the switch")


def announcing_restore(context: Context) -> Action:
    """Announce which dump replaced the live database, the data loss, and the next commands.

    Raises Inconclusive when no restored dump is on record.
    """
    if restore_told(context.incident.facts) is None:
        raise Inconclusive("no restored dump is on record", "run all of chapter 6: -m restore")
    return _done(context, "the restore", Kind.RESTORE)


def announcing_abandoned(context: Context) -> Action:
    """Announce that the failed release keeps running, and that the target was removed."""
    return _done(context, "the abandoned switch", Kind.ABANDON)


def _done(context: Context, what: str, kind: Kind = Kind.ROLLBACK) -> Action:
    incident, project = context.incident, context.settings.project.name
    if context.settings.announcement is None:
        return Action(
            ActionName.ANNOUNCE, f"{what} is announced", scope=Scope.PEOPLE, not_configured=Absent.ANNOUNCEMENT
        )
    switch = incident.facts.switch is not None
    told = telling(incident, project, kind, emergency=switch, restore_point=restore_point(context))
    head = told.head
    if incident.mode is Mode.PLAN:
        many, ticket = not_known_yet("how many"), ticket_address(context)
        told, head = replace(told, head=not_known_yet("hash"), down=many, seconds=many, ticket=ticket), ""
        # Also try the members that a template may use when a run has stopped.
        stopped = Stopped("1.1.1", "Given a step", "expected this, saw that", "what helps")
        tried = replace(told, stopped=stopped, next_why="to go on, type", next_command="pytest")
        context.templates.check(tried)
        if kind is Kind.ROLLBACK and not switch:
            # Abandoning a switch has no plan of its own.
            context.templates.check(replace(tried, kind=Kind.ABANDON))
    title, text, _ = context.templates.fill(Turn.DONE, told)
    redact = incident.journal.redactor.text
    # Identified by its kind, because a rollback may continue after an announced abandoned switch.
    return context.channel.announcing(redact(title), redact(text), head, what, kind)


def ticket_address(context: Context) -> str:
    """Return the ticket's address, a placeholder in a plan; empty if none is opened (for a kill switch or restore)."""
    incident, facts = context.incident, context.incident.facts
    if incident.mode is not Mode.PLAN:
        return facts.ticket or ""
    none = facts.switch is not None or facts.to_restore is not None
    return not_known_yet("address") if context.tracker and not none else ""


def restore_point(context: Context) -> str:
    """Return the restore point in words, in a plan the one that would be taken; empty if there is none."""
    facts = context.incident.facts
    taken = facts.strategy in (Strategy.DOWNGRADE, Strategy.FORWARD_FIX) or facts.to_restore is not None
    if context.incident.mode is Mode.PLAN and taken:
        return restore_point_told(context.restore_point.path, not_known_yet("size"), not_known_yet("hash"))
    return _on_record(facts)


def _on_record(facts: Facts) -> str:
    point = facts.restore_point
    return restore_point_told(point.path, str(point.size), point.sha256) if point else ""
