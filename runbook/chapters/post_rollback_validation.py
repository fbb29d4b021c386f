"""Chapter 5: production after the rollback is on record, and the release that was validated becomes known good."""

from functools import partial

from runbook.actions import Action, Check, Observation, recorded
from runbook.chapters import snapshot
from runbook.chapters.checks import ahead
from runbook.chapters.configuration.keeping import snapshot_of
from runbook.chapters.context import Context
from runbook.chapters.migrating import schema_revisions
from runbook.chapters.target import expected_release
from runbook.errors import CheckFailed, Inconclusive, RunbookError
from runbook.incident.executor import Mode
from runbook.incident.facts import RunningRelease
from runbook.release import Release


def written_down_after(context: Context) -> Check:
    """That production as it is after the rollback is on record; in a plan there is no such production yet."""

    def observe() -> Observation:
        after = snapshot.take(context)
        context.incident.record_fact("after", after)
        return Observation(ok=True, seen=f"production runs {', '.join(after.tags)}")

    return Check("production after the rollback on record", observe, "look at production by hand", afterwards=True)


def note_running(context: Context) -> Check:
    """That one release runs on its registry digests, and the very one that was validated before, in these containers.

    Which one, and in which containers, goes on record.
    """
    return recorded("one release, validated as a whole", lambda: _running(context))


def _running(context: Context) -> str:
    """Raises CheckFailed when another one came between, or runs where a rollback has brought its target up."""
    _hold_against_expected(context)
    release = expected_release(context)
    if not context.incident.planned_changes:
        on_digests = context.health.check_pinned_images(release)
        seen = on_digests.observe()
        if not seen.ok:
            raise CheckFailed(f"expected {on_digests.expected}; seen: {seen.seen}", on_digests.next_step)
    containers = context.production.application()
    ids = tuple(sorted(container.id for container in containers))
    validated = context.incident.facts.running
    if validated is not None and validated.containers != ids:
        raise CheckFailed(
            f"{validated.tag} was validated, and {release.tag} runs in other containers since",
            "somebody deployed meanwhile: validate again",
        )
    context.incident.record_fact("running", RunningRelease(**release.facts(), containers=ids))
    fresh = validated is None and not context.incident.planned_changes
    if fresh and context.incident.mode is not Mode.PLAN:
        ahead.validation(context, release)
    return f"{release.tag} on its registry digests"


def _hold_against_expected(context: Context) -> None:
    """Raise CheckFailed when another release runs than the one that `--expect` names, by env file or containers."""
    expected = context.options.expect
    if expected is None:
        return
    named, production = context.production.tag(), context.production
    runs = sorted({(each.service, production.tag_of(each)) for each in production.application()})
    if {named, *(tag for _, tag in runs)} != {expected}:
        seen = ", ".join(f"{service} runs {tag}" for service, tag in runs)
        raise CheckFailed(
            f"expected release {expected} (--expect); seen: the env file names {named}, {seen}",
            f"find out why {expected} does not run: did the deploy fail, or did somebody deploy another release since?",
        )


def validated_release(context: Context) -> Release:
    """The release that was validated in this run. Raises Inconclusive when none was."""
    running = context.incident.facts.running
    if running is None:
        raise Inconclusive("no release was validated in this run", "run `pytest features -m post_deploy`")
    return running.release()


def entering_in_ledger(context: Context) -> Action:
    """The change that enters the release which passed its validation in the ledger of known-good releases."""
    incident, release = context.incident, validated_release(context)
    going_back = incident.facts.configuration_to_restore
    # A run that goes on behind this one looks at the configuration that was restored once more.
    needed = going_back.copies if going_back else ()
    at, (taken, copies) = incident.ahead.at_once(partial(_schema, context), partial(snapshot_of, context, release))
    bridged = context.bridge_note.read()
    bridge = str(bridged["incident"]) if bridged else None
    return context.ledger.add(
        release, incident.name, at, incident.vouched, taken, copies=copies, needed=needed, bridge=bridge
    )


def _schema(context: Context) -> tuple[str, ...] | None:
    """The schema's revisions; None where they are not looked at, or not known."""
    try:
        return None if schema_revisions.unchecked(context) else schema_revisions.revisions(context)
    except RunbookError:  # a database without Alembic, say: the release is known good all the same
        return None
