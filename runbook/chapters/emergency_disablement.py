"""Chapter 4: a kill switch is turned, and the services that read it are redeployed on the release that runs now."""

from collections.abc import Sequence
from dataclasses import replace

from runbook.actions import Action, Check, Observation
from runbook.chapters import roll_back_application
from runbook.chapters.context import Context
from runbook.incident.facts import ContainerFact, TurnedSwitch
from runbook.production.containers import counts
from runbook.production.service.kill_switches import position_of


def set_in_place(context: Context) -> Check:
    """That the env file, or a secret store, sets the switch; which one is turned, and to what, goes on record."""
    name, check = context.switch_name, context.switch.check_in_place()
    turned = TurnedSwitch(name=name, **position_of(context.settings.switches[name], context.switch.value))

    def observe() -> Observation:
        context.incident.record_fact("switch", turned)
        return check.observe()

    return replace(check, observe=observe)


def redeploying(context: Context) -> Action:
    """The change that recreates the services of the switch, in as many containers as before."""
    before = _before(context)
    return context.switch.redeploy(counts(before), {each.id for each in before})


def same_images(context: Context) -> Check:
    """That the services of the switch run the images that they ran before: turning a switch deploys nothing."""
    return context.switch.check_images_unchanged({item.name: item.image_id for item in _before(context)})


def others_kept(context: Context) -> Check:
    """That all other services kept their containers."""
    return roll_back_application.others_kept(context, _before(context), context.switch.services)


def _before(context: Context) -> Sequence[ContainerFact]:
    return context.incident.facts.seen_before.containers
