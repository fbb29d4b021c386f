"""The texts on the applied action that stay: the follow-up ticket, and the entry in the team's incident log."""

from dataclasses import replace
from functools import partial

from runbook.actions import Action, ActionName, Check, Scope, left_out, not_known_yet
from runbook.chapters.context import Context
from runbook.chapters.people.telling import restore_point, ticket_address
from runbook.clock import utc_now
from runbook.incident.executor import Mode
from runbook.notify.incident_log import Applied, entry
from runbook.notify.telling import Kind
from runbook.notify.ticket import ticket
from runbook.operator import operator
from runbook.report.downtime import seconds_in_words, so_far
from runbook.settings.absent import Absent


def opening_ticket(context: Context) -> Action:
    """Open the follow-up ticket of this incident."""
    incident, tracker = context.incident, context.tracker
    if tracker is None:
        what = "the follow-up ticket is opened"
        return Action(ActionName.OPEN_TICKET, what, scope=Scope.PEOPLE, not_configured=Absent.TICKET)
    redact = incident.journal.redactor.text
    markup = tracker.markup.redacting(redact)
    title, text = ticket(context.settings.project.name, incident.facts, restore_point(context), markup)
    return tracker.opening(incident.name, redact(title), redact(text), partial(incident.record_fact, "ticket"))


def ticket_listed(context: Context) -> Check:
    """Check that the tracker lists the ticket of this incident."""
    if context.tracker is None:
        return replace(left_out("the ticket in the tracker", Absent.TICKET), for_people=True)
    return replace(context.tracker.listed(context.incident.name, context.incident.facts.ticket or ""), for_people=True)


def documenting(context: Context) -> Action:
    """Enter the applied action in the team's incident log."""
    return _documenting(context)


def documenting_abandoned(context: Context) -> Action:
    """Enter the abandoned switch in the team's incident log."""
    return _documenting(context, Kind.ABANDON)


def _documenting(context: Context, kind: Kind = Kind.ROLLBACK) -> Action:
    incident, log = context.incident, context.incident_log
    if log is None:
        what = "the applied action is documented in the incident log"
        return Action(ActionName.LOG_INCIDENT, what, scope=Scope.PEOPLE, not_configured=Absent.INCIDENT_LOG)
    planned = incident.mode is Mode.PLAN
    applied = Applied(
        incident=incident.name,
        project=context.settings.project.name,
        operator=operator(),
        at=not_known_yet("time") if planned else utc_now()[:19] + "Z",
        down=not_known_yet("how many") if planned else seconds_in_words(so_far(incident.journal.entries)),
        record=str(incident.journal.path.with_name("record.html")),
        restore_point=restore_point(context),
        ticket=ticket_address(context),
        kind=kind,
    )
    redact = incident.journal.redactor.text
    title, text = entry(applied, incident.facts, redact)
    return log.documenting(incident.name, redact(title), redact(text), kind)
