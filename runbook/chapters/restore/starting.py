"""What is typed to serve users again with the release that the env file names."""

import shlex

from runbook.chapters.context import Context


def starting(context: Context) -> str:
    """The commands that start what a rollback stops, and resume traffic, as one line for the production host."""
    production, traffic = context.production, context.settings.traffic
    gate = traffic.gate if traffic else None
    up = production.up_command(production.rolled_back, {})
    opening = [production.exec_command(gate.resume)] if gate else []
    return " && ".join([shlex.join(("cd", production.directory)), *map(str, (up, *opening))])
