"""Chapter 5: production after the rollback is recorded, and the validated release becomes known good."""

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
from runbook.incident.production_facts import RunningRelease
from runbook.release import Release


def record_after(context: Context) -> Check:
    """Record production after the rollback. A plan skips this, because that state does not exist yet."""

    def observe() -> Observation:
        after = snapshot.take(context)
        context.incident.record_fact("after", after)
        return Observation(ok=True, seen=f"production runs {', '.join(after.tags)}")

    return Check("production after the rollback on record", observe, "look at production by hand", afterwards=True)


def note_running(context: Context) -> Check:
    """Check that one release runs on its registry digests, and record it and its containers.

    If this incident has validated a release already, it must still run in the same containers.
    """
    return recorded("one release, on its registry digests", lambda: _running(context))


def _running(context: Context) -> str:
    """Record the running release.

    Raises CheckFailed when it is not the expected one, or when other containers run since it was validated.
    """
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
            f"{validated.tag} was validated, but {release.tag} now runs in other containers",
            "somebody deployed meanwhile: validate again",
        )
    context.incident.record_fact("running", RunningRelease(**release.facts(), containers=ids))
    fresh = validated is None and not context.incident.planned_changes
    if fresh and context.incident.mode is not Mode.PLAN:
        ahead.validation(context, release)
    return f"{release.tag} on its registry digests"


def stays_healthy(context: Context) -> Check:
    """Check that every container stays healthy long enough, counted from when it was first healthy behind the gate."""
    executing = context.incident.mode is Mode.EXECUTE
    return context.health.check_containers_healthy(f"users are affected{': traffic is open' if executing else ''}")


def _hold_against_expected(context: Context) -> None:
    """Raise CheckFailed when the env file or a container has another release than `--expect` names."""
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
    """Return the release that this run validated. Raises Inconclusive when there is none."""
    running = context.incident.facts.running
    if running is None:
        raise Inconclusive("no release was validated in this run", "run `pytest features -m post_deploy`")
    return running.release()


def entering_in_ledger(context: Context) -> Action:
    """Add the validated release to the ledger of known-good releases."""
    incident, release = context.incident, validated_release(context)
    going_back = incident.facts.configuration_to_restore
    # A run that continues after this one reads the restored configuration again.
    needed = going_back.copies if going_back else ()
    at, (taken, copies) = incident.ahead.at_once(partial(_schema, context), partial(snapshot_of, context, release))
    bridged = context.bridge_note.read()
    bridge = str(bridged["incident"]) if bridged else None
    return context.ledger.add(
        release, incident.name, at, incident.vouched, taken, copies=copies, needed=needed, bridge=bridge
    )


def _schema(context: Context) -> tuple[str, ...] | None:
    """Return the schema's revisions; None if migrations are not checked, or the revisions are unknown."""
    try:
        return None if schema_revisions.unchecked(context) else schema_revisions.revisions(context)
    except RunbookError:  # a database without Alembic, say: the release is known good anyway
        return None
