"""Chapter 0: whether production could return from the release to deploy. The target is the running release."""

from dataclasses import replace

from runbook.actions import Check, Observation, left_out, recorded
from runbook.chapters import handle_migrations, migration_facts
from runbook.chapters.context import Context
from runbook.chapters.identify_target import registry_digest
from runbook.chapters.migrating import loss_acceptance, migrate_command
from runbook.chapters.migrating.migrate_command import Direction
from runbook.chapters.migrating.schema_revisions import unchecked
from runbook.chapters.startup import check as startup
from runbook.chapters.target import pinned_release, running_release
from runbook.errors import CheckFailed, ReleaseNotFound, TargetError
from runbook.incident.facts import Strategy
from runbook.incident.production_facts import ReleaseFact
from runbook.release import Release

_ANEW = "build it again under a new tag, then run this again"


def note_running(context: Context) -> Check:
    """Check that one release runs, on its registry digests, and record it as the target."""

    def look() -> str:
        release, before = running_release(context), context.incident.facts.target
        if before is not None and before.digests != release.digests:
            raise CheckFailed(
                f"{release.tag} runs now, but {before.tag} ran when this began",
                "somebody deployed meanwhile: run this again",
            )
        context.incident.record_fact("target", ReleaseFact.of(release))
        return release.shown

    return recorded("one release, on its registry digests", look)


def pin(context: Context) -> Check:
    """Check that the registry has the release to deploy and still has the running one, and record the new digests."""

    def look() -> str:
        tag = context.options.release
        if tag is None:
            raise TargetError("no release to deploy is named", "name it: -m pre_deploy --release TAG")
        images = context.production.images_with_tag(tag)
        digests = {service: registry_digest(context, image) for service, image in images.items()}
        release, running = Release(tag, images, digests), pinned_release(context)
        _hold_against_registry(context, running)
        context.incident.record_fact("release to deploy", ReleaseFact.of(release))
        if running.digests.items() <= digests.items():
            context.incident.record_fact("nothing to do", f"{running.tag} already runs on the digests of {tag}")
        return release.shown

    return recorded("the release to deploy in the registry", look)


def _hold_against_registry(context: Context, running: Release) -> None:
    """Raise CheckFailed when the running release's tag now names other images, which a rollback would refuse."""
    for service, digest in running.digests.items():
        try:
            today = registry_digest(context, running.images[service])
        except ReleaseNotFound:
            today = "no such tag"
        if today != digest:
            raise CheckFailed(
                f"{running.images[service]} runs as {digest}, but the registry now has {today}:"
                " a rollback to it would be refused",
                f"push the running image of {running.tag} again, and use a new tag for every release",
            )


def release_to_deploy(context: Context) -> Release:
    """Return the release to deploy. Raises TargetError when this run has not pinned one."""
    found = context.incident.facts.release_to_deploy
    if found is None:
        raise TargetError("no release to deploy is pinned", "run the whole chapter: -m pre_deploy --release TAG")
    return found.release()


def not_quarantined(context: Context) -> Check:
    """Check that the release to deploy is not in quarantine."""
    check = context.quarantine.check_not_quarantined(release_to_deploy(context).digests)
    return replace(check, next_step=f"do not deploy it: fix what failed, and {_ANEW}")


def continues(context: Context) -> Check:
    """Check that the migrations of the release to deploy continue the database's revision."""
    if absent := unchecked(context):
        return left_out("one head that continues the database's revision", absent)

    def observe() -> Observation:
        known, at = migration_facts.of(context), context.incident.facts.revisions or ()
        ok = known.failed is not None and known.failed.continues(*at)
        seen = f"the database is at {', '.join(at)}, the head of {release_to_deploy(context).tag} is"
        return Observation(ok, f"{seen} {', '.join(known.database)}", final=True)

    return Check(
        "one head that continues the database's revision",
        observe,
        f"its migrations would fail: base them on the database's revision, and {_ANEW}",
        acceptable=False,
    )


def could_start(context: Context) -> Check:
    """Check that the running release could start again on the schema that the release to deploy leaves."""
    if absent := unchecked(context):
        return left_out("a target that can start", absent)
    if migration_facts.of(context).same:
        return Check("a target that can start", lambda: Observation(ok=True, seen="the schema does not change"), "")
    target = pinned_release(context)
    helps = f"do not deploy it yet: after a rollback {target.tag} would crash at every start"
    return startup.shows_no_migration_at_start(context, target, helps)


def usable(context: Context) -> Check:
    """Check that every revision that the release to deploy adds has a `downgrade()` that certainly does something."""
    helps = f"do not deploy it: write the downgrade(), or make the migrations additive, and {_ANEW}"
    return replace(handle_migrations.usable(context), next_step=helps)


def startable(context: Context) -> Check:
    """Check that the downgrade command starts, in a container like the one that would run it."""
    trial = migrate_command.starts(context, release_to_deploy(context).tag, Direction.DOWNGRADE)
    return replace(trial, next_step="do not deploy it yet: fix its image, or migrations.downgrade in the settings")


def loss_named(context: Context) -> Check:
    """Record the data loss: what the migrations of the release to deploy destroy, and what their downgrade destroys."""
    if absent := unchecked(context):
        return left_out("the data loss", absent)

    def look() -> str:
        known, tag = migration_facts.of(context), release_to_deploy(context).tag
        told: list[str] = []
        if known.failed is not None and not known.same:
            up = loss_acceptance.of_whole_range(context, known.failed, Direction.UPGRADE)
            told += [f"{loss}; the migrations of {tag} destroy them" for loss in up]
            if context.incident.facts.strategy is not Strategy.IMAGE_ONLY:
                down = loss_acceptance.of_whole_range(context, known.failed, Direction.DOWNGRADE)
                told += [f"{loss}; the downgrade would destroy them" for loss in down]
        context.incident.record_fact("loss", tuple(told))
        return "; ".join(told) or "no data"

    return recorded("the data loss", look)
