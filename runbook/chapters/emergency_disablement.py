"""Chapter 4: a kill switch is turned, and the services that read it are redeployed on the release that runs now."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runbook.actions import Action, Check, Observation
from runbook.chapters import roll_back_application
from runbook.chapters.context import Context
from runbook.production.containers import counts
from runbook.production.service.kill_switches import position_of


def set_in_env_file(context: Context) -> Check:
    """That the env file sets the switch; which one is turned, and to what, goes on record."""
    name, check = context.switch_name, context.switch.check_in_env_file()
    position = position_of(context.settings.switches[name], context.switch.value)

    def observe() -> Observation:
        context.incident.record_fact("switch", {"name": name, **position})
        return check.observe()

    return replace(check, observe=observe)


def redeploying(context: Context) -> Action:
    """The change that recreates the services of the switch, in as many containers as before."""
    return context.switch.redeploy(counts(_before(context)))


def same_images(context: Context) -> Check:
    """That the services of the switch run the images that they ran before: turning a switch deploys nothing."""
    return context.switch.check_images_unchanged({item["name"]: item["image_id"] for item in _before(context)})


def others_kept(context: Context) -> Check:
    """That all other services kept their containers."""
    return roll_back_application.others_kept(context, _before(context), context.switch.services)


def _before(context: Context) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = context.incident.facts["before"]["containers"]
    return found
