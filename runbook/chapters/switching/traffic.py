"""Traffic behind the gate: held or refused as decided, checked, and resumed."""

from dataclasses import replace

from runbook.actions import Action, Check, never
from runbook.chapters.context import Context
from runbook.production.switchover.decision import Meanwhile
from runbook.report.production_view import closing_of


def pausing(context: Context) -> Action:
    """Keep requests from the application: hold them if that was decided, otherwise refuse them."""
    return context.gate.hold() if _waits(context) else context.gate.pause()


def lets_nothing_through(context: Context) -> Check:
    """Check that the gate reports paused or held traffic."""
    return context.gate.check_paused(held=_waits(context))


def no_request_arrives(context: Context) -> Check:
    """Check at the public address that no request reaches the application."""
    return context.gate.check_traffic_paused(held=_waits(context))


def resuming(context: Context) -> Action:
    """Resume traffic.

    While this incident keeps requests back, the gate's state is not read first, because this incident has just set it.
    """
    change = context.gate.resume()
    return replace(change, already=never) if stopped_by_incident(context) else change


def stopped_by_incident(context: Context) -> bool:
    """Return whether this incident has paused or held traffic, or begun to, and not resumed it since."""
    return bool(closing_of(context.incident.journal.entries))


def _waits(context: Context) -> bool:
    # Without a switch, as in a restore, requests are refused, because nobody knows how long the pause takes.
    switch = context.incident.facts.switchover
    return switch is not None and switch.meanwhile is Meanwhile.HELD
