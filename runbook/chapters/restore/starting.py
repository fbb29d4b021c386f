"""The commands that serve users again with the release in the env file."""

import shlex

from runbook.chapters.context import Context


def starting(context: Context) -> str:
    """Return one line for the production host that starts the rolled-back services and resumes traffic."""
    production, traffic = context.production, context.settings.traffic
    gate = traffic.gate if traffic else None
    up = production.up_command(production.rolled_back, {})
    opening = [production.exec_command(gate.resume)] if gate else []
    return " && ".join([shlex.join(("cd", production.directory)), *map(str, (up, *opening))])
