"""Traffic behind the gate: held where that was decided, else refused; proved so, and let on again."""

from dataclasses import replace

from runbook.actions import Action, Check, never
from runbook.chapters.context import Context
from runbook.production.switchover.decision import Meanwhile
from runbook.report.production_view import closing_of


def pausing(context: Context) -> Action:
    """The change that keeps requests from the application: they wait where that was decided, and are refused else."""
    return context.gate.hold() if _waits(context) else context.gate.pause()


def lets_nothing_through(context: Context) -> Check:
    """That the gate says so."""
    return context.gate.check_paused(held=_waits(context))


def no_request_arrives(context: Context) -> Check:
    """That the public address shows it."""
    return context.gate.check_traffic_paused(held=_waits(context))


def letting_on(context: Context) -> Action:
    """The change that lets traffic on again.

    While requests wait the gate is not asked for what this incident has just made of it.
    """
    change = context.gate.resume()
    return replace(change, already=never) if kept_back(context) else change


def kept_back(context: Context) -> bool:
    """Tell whether this incident has paused or held traffic, or begun to, and not let it on since."""
    return bool(closing_of(context.incident.journal.entries))


def _waits(context: Context) -> bool:
    # Where nothing is switched, as behind a restore, nobody knows for how long.
    switch = context.incident.facts.switchover
    return switch is not None and switch.meanwhile is Meanwhile.HELD
