"""What people are told: the announcement and the follow-up ticket, from the facts of the incident."""

from collections.abc import Mapping
from typing import Any

from runbook.actions import Action, Check, Observation, not_known_yet, recorded
from runbook.chapters import snapshot
from runbook.chapters.context import Context
from runbook.chapters.target import expected_release
from runbook.errors import CheckFailed, RunbookError
from runbook.incident.executor import Mode
from runbook.incident.facts import Strategy
from runbook.notify.messages import announcement, ticket
from runbook.release import Release
from runbook.report.downtime import seconds_in_words, so_far


def written_down_after(context: Context) -> Check:
    """That production as it is after the rollback is on record; in a plan there is no such production yet."""

    def observe() -> Observation:
        after = snapshot.take(context)
        context.incident.record_fact("after", after)
        return Observation(ok=True, seen=f"production runs {', '.join(after['tags'])}")

    return Check("production after the rollback on record", observe, "look at production by hand", afterwards=True)


def announcing(context: Context) -> Action:
    """The change that posts the announcement, with the journal's head as it stands then."""
    incident = context.incident
    planned = incident.mode is Mode.PLAN
    head = not_known_yet("hash") if planned else incident.journal.head
    down = not_known_yet("how many") if planned else seconds_in_words(so_far(incident.journal.entries))
    told = announcement(incident.name, context.settings.project.name, _facts(context), head, down)
    title, text = map(incident.journal.redactor.text, told)
    return context.channel.announcing(title, text, "" if planned else head)


def opening_ticket(context: Context) -> Action:
    """The change that opens the ticket of this incident."""
    told = ticket(context.settings.project.name, _facts(context))
    return context.tracker.opening(context.incident.name, *map(context.incident.journal.redactor.text, told))


def _facts(context: Context) -> Mapping[str, Any]:
    """The facts of the incident; in a plan with the restore point that would be taken."""
    facts = context.incident.facts
    if context.incident.mode is not Mode.PLAN or facts.get("strategy") not in (
        Strategy.DOWNGRADE,
        Strategy.FORWARD_FIX,
    ):
        return facts
    point = {"path": context.restore_point.path, "size": not_known_yet("size"), "sha256": not_known_yet("hash")}
    return facts | {"restore point": point}


def note_running(context: Context) -> Check:
    """That one release runs on its registry digests, and the very one that was validated before, in these containers.

    Which one, and in which containers, goes on record.
    """
    return recorded("one release, validated as a whole", lambda: _running(context))


def _running(context: Context) -> str:
    """Raises CheckFailed when another one came between, or runs where a rollback has brought its target up."""
    release = expected_release(context)
    if not context.incident.planned_changes:
        on_digests = context.health.check_pinned_images(release)
        seen = on_digests.observe()
        if not seen.ok:
            raise CheckFailed(f"expected {on_digests.expected}; seen: {seen.seen}", on_digests.next_step)
    containers = context.production.application()
    now = release.facts() | {"containers": sorted(container.id for container in containers)}
    validated = context.incident.facts.get("running")
    if validated is not None and validated["containers"] != now["containers"]:
        raise CheckFailed(
            f"{validated['tag']} was validated, and {release.tag} runs in other containers since",
            "somebody deployed meanwhile: validate again",
        )
    context.incident.record_fact("running", now)
    return f"{release.tag} on its registry digests"


def entering_in_ledger(context: Context) -> Action:
    """The change that enters the release which passed its validation in the ledger of known-good releases."""
    try:
        at = context.database.revisions()
    except RunbookError:  # a database without Alembic, say: the release is known good all the same
        at = None
    incident = context.incident
    release = Release.from_facts(incident.facts["running"])
    return context.ledger.add(release, incident.name, at, incident.vouched)
