"""What people are told: the announcement and the follow-up ticket, from the facts of the incident."""

from collections.abc import Mapping
from typing import Any

from runbook import snapshot
from runbook.sentence import Change
from runbook.toolbox import Toolbox


def write_down_after(tools: Toolbox) -> None:
    """Put production as it is after the rollback on record; in a plan there is no such production."""
    if not tools.incident.planned_changes:
        tools.incident.learn("after", snapshot.take(tools))


def announcing(tools: Toolbox) -> Change:
    """The change that posts the announcement, with the journal's head as it stands then."""
    incident = tools.incident
    title, text = announcement(incident.name, tools.settings.project.name, incident.facts, incident.journal.head)
    return tools.channel.announcing(title, text)


def opening_ticket(tools: Toolbox) -> Change:
    """The change that opens the ticket of this incident."""
    title, body = ticket(tools.settings.project.name, tools.incident.facts)
    return tools.tracker.opening(tools.incident.name, title, body)


def announcement(incident: str, project: str, facts: Mapping[str, Any], head: str) -> tuple[str, str]:
    """Title and text of the announcement; `head` is the journal's head hash, so that a copy lies outside the record."""
    failed, target = _from_to(facts)
    lines = [
        f"{project} was rolled back from {failed} to {target}.",
        f"Verdict on migrations: {_verdict(facts)}.",
        "The application is live and ready, and users are served.",
        f"Incident {incident}, journal head {head}.",
    ]
    return f"{project}: rolled back to {target}", "\n".join(lines)


def ticket(project: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Title and text of the follow-up ticket."""
    failed, target = _from_to(facts)
    target_digests = set(facts.get("target", {}).get("digests", {}).values())
    digests = {s: d for s, d in facts.get("origin", {}).get("digests", {}).items() if d not in target_digests}
    lines = [
        f"`{failed}` failed in production of `{project}`, which runs `{target}` since.",
        "",
        f"- Verdict on migrations: {_verdict(facts)}",
        *(f"- `{service}` of the failed release: `{digest}`" for service, digest in digests.items()),
        "",
        "To do: find the cause, ship a forward-fix under a new tag, and let its post-deploy validation pass.",
        "Do not deploy the failed tag again: post-deploy validation refuses its digests.",
    ]
    return f"Forward-fix for {failed} ({project})", "\n".join(lines)


def _from_to(facts: Mapping[str, Any]) -> tuple[str, str]:
    target = str(facts.get("target", {}).get("tag", "an unknown release"))
    failed = [tag for tag in facts.get("origin", {}).get("tags", []) if tag != target]
    return ", ".join(failed) or "the failed release", target


def _verdict(facts: Mapping[str, Any]) -> str:
    return str(facts.get("verdict", {}).get("verdict", "unknown"))
