"""Chapter 4: a kill switch is turned, and the services that read it are redeployed on the running release."""

from collections.abc import Sequence
from dataclasses import replace

from runbook.actions import Action, Check, Observation, never
from runbook.chapters import roll_back_application
from runbook.chapters.context import Context
from runbook.chapters.switching import traffic
from runbook.incident.production_facts import ContainerFact, TurnedSwitch
from runbook.production.containers import counts
from runbook.production.service.kill_switches import position_of


def set_in_place(context: Context) -> Check:
    """Check that the env file or a secret store sets the switch, and record the switch and its new position."""
    name, check = context.switch_name, context.switch.check_in_place()
    turned = TurnedSwitch(name=name, **position_of(context.settings.switches[name], context.switch.value))

    def observe() -> Observation:
        context.incident.record_fact("switch", turned)
        return check.observe()

    return replace(check, observe=observe)


def holding(context: Context) -> Action:
    """Hold requests while the services of the switch are redeployed.

    Nothing is held if they already run with the new value. A gate that cannot hold stays as it is: an emergency never
    closes the gate.
    """
    change = context.gate.hold()
    if _cannot_hold(context, change):
        return _flowing(change)
    known = change.already
    return replace(change, already=lambda: known() or redeploying(context).already())


def redeploying(context: Context) -> Action:
    """Recreate the services of the switch, in as many containers as before.

    While requests are held, it is not checked first whether this is done already, because Compose finds that out; and
    answers with data are not counted, because the requests for them would be held too.
    """
    before, waits = _before(context), traffic.stopped_by_incident(context)
    change = context.switch.redeploy(counts(before), {each.id for each in before}, watched=not waits)
    return replace(change, already=never) if waits else change


def resuming(context: Context) -> Action:
    """Resume traffic that this incident held, or that was held by an incident whose journal is lost; no other."""
    change = context.gate.resume()
    if _cannot_hold(context, change):
        return _flowing(change)
    if traffic.stopped_by_incident(context):
        return traffic.resuming(context)

    def already() -> str | None:
        state, rollback = context.gate.state(), context.open_rollback.read()
        if state != "held":
            return f"the gate is {state}; this incident did not hold it"
        return f"the gate is held by incident {rollback['incident']}" if rollback else None

    return replace(change, already=already)


def _cannot_hold(context: Context, change: Action) -> bool:
    return change.not_configured is None and not context.gate.may_hold


def _flowing(change: Action) -> Action:
    summary = "the gate cannot hold requests: traffic keeps flowing"
    return Action(change.name, summary, already=lambda: summary, resource=change.resource)


def same_images(context: Context) -> Check:
    """Check that the services of the switch run the same images as before: turning a switch deploys nothing."""
    return context.switch.check_images_unchanged({item.name: item.image_id for item in _before(context)})


def others_kept(context: Context) -> Check:
    """Check that all other services kept their containers."""
    return roll_back_application.others_kept(context, _before(context), context.switch.services)


def _before(context: Context) -> Sequence[ContainerFact]:
    return context.incident.facts.seen_before.containers
