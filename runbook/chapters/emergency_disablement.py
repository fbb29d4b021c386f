"""Chapter 4: a kill switch is turned, and the services that read it are redeployed on the release that runs now."""

from collections.abc import Sequence
from typing import Any

from runbook.actions import Action, Check
from runbook.chapters import roll_back_application
from runbook.chapters.context import Context
from runbook.production.containers import counts


def redeploying(tools: Context) -> Action:
    """The change that recreates the services of the switch, in as many containers as before."""
    return tools.switch.redeploying(counts(_before(tools)))


def same_images(tools: Context) -> Check:
    """That the services of the switch run the images that they ran before: turning a switch deploys nothing."""
    return tools.switch.same_images({item["name"]: item["image_id"] for item in _before(tools)})


def others_kept(tools: Context) -> Check:
    """That all other services kept their containers."""
    return roll_back_application.others_kept(tools, _before(tools), tools.switch.services)


def _before(tools: Context) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = tools.incident.facts["before"]["containers"]
    return found
