"""Chapter 3: the schema is downgraded with the failed release's image, or upgraded with a forward-fix, and checked."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from runbook.actions import Action, ActionName, Check, Observation, left_out
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating import half_way, migrate_command, schema_revisions, time_limits
from runbook.chapters.migrating.migrate_command import Direction
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive
from runbook.settings.absent import Absent

_HELD = "production is held as it is: roll forward with --forward-fix TAG, or restore a backup from before that deploy"


def usable(context: Context) -> Check:
    """Check that every revision to undo has a `downgrade()` that certainly does something, not refuted on a copy."""
    if schema_revisions.is_own(context):
        return _own_downgrade(context)

    def observe() -> Observation:
        steps = migration_facts.steps_to_undo(context)
        bad = [f"downgrade() of {step.revision} is {step.downgrade.shape}" for step in steps if not step.undoes]
        judged = context.incident.facts.verdict
        if judged is not None and judged.no_way_back:
            bad.append(f"tried on a copy of the schema: {judged.no_way_back}")
        good = f"to undo, in order: {', '.join(step.revision for step in steps)}"
        return Observation(bool(steps) and not bad, "; ".join(bad) or good, final=True)

    return Check("a working downgrade for every revision to undo", observe, _HELD, acceptable=False)


def _own_downgrade(context: Context) -> Check:
    """Check that the application has a downgrade command, and that the target has exactly one revision."""

    def observe() -> Observation:
        known, settings = migration_facts.of(context), context.settings
        if lacks := schema_revisions.no_own_downgrade(context):
            return Observation(ok=False, seen=lacks, final=True)
        words = shlex.join(migrate_command.words(settings.migrations, Direction.DOWNGRADE, known.target_head))
        return Observation(ok=True, seen=f"to downgrade from {', '.join(known.database)}: {words}")

    held = "add them to the settings; until then production stays as it is"
    return Check("a downgrade command of the application", observe, held, acceptable=False)


def stopping(context: Context) -> Action:
    """Stop the application, so that nothing reads or writes during the migration."""
    known, target = migration_facts.of(context), pinned_release(context)
    images = {service: context.production.image_id(target.pinned(service)) for service in target.digests}

    def already() -> str | None:
        containers = context.production.application()
        stopped = all(container.state in ("exited", "created") for container in containers)
        shown = "; ".join(container.one_line for container in containers)
        # The target may run on its own schema: the containers that had to stop for the downgrade are gone.
        switched = set(schema_revisions.revisions(context)) == {known.target_head} and all(
            container.image_id == images.get(container.service) for container in containers
        )
        return f"{shown}{', on the schema of the target' if switched else ''}" if stopped or switched else None

    services = ", ".join(context.settings.project.services)
    summary, stopping = f"{services} are stopped", (context.production.stop_command(),)
    return Action(ActionName.STOP_APPLICATION, summary, stopping, already, resource=services)


def startable(context: Context) -> Check:
    """Check that the downgrade command starts, in a container like the one that will run it.

    Once the schema is downgraded, nothing is tried: the failed release's containers may be gone by then.
    """
    trial = migrate_command.starts(context, _failed_tag(context), Direction.DOWNGRADE)

    def observe() -> Observation:
        done = migration_facts.reached(context)
        return Observation(ok=True, seen=f"{done}: nothing is left to undo") if done else trial.observe()

    return replace(trial, observe=observe)


def _failed_tag(context: Context) -> str:
    """Return the failed release's tag.

    If the record does not have exactly one, because a switch was interrupted, return that of the migrations service's
    containers, or else the env file's.
    """
    failed = context.incident.facts.failed.tags
    if len(failed) == 1:
        return failed[0]
    return context.production.running_tag([context.settings.migrations.service]) or context.production.tag()


def undo(context: Context) -> Action:
    """Downgrade the schema to the target's head, in isolation, with the failed release's image.

    The target's image lacks these revisions (trap 2). Time limits for locks and statements are enforced.
    """
    head, tag = migration_facts.of(context).target_head, _failed_tag(context)
    summary = f"the schema is downgraded to {head} with the image of {tag}"
    return _in_isolation(context, ActionName.DOWNGRADE, summary, tag, Direction.DOWNGRADE)


def _in_isolation(context: Context, name: ActionName, summary: str, tag: str, direction: Direction) -> Action:
    head = migration_facts.of(context).target_head
    return Action(
        name,
        summary,
        (migrate_command.running(context, tag, direction, head),),
        lambda: migration_facts.reached(context),
        resource=_database_name(context),
        new=head,
        during=lambda: _watched(context, direction, head),
    )


@contextmanager
def _watched(context: Context, direction: Direction, head: str) -> Iterator[None]:
    """Enforce the time limits during a migration. If it fails, read the schema again and report its state."""
    with half_way.told(context, direction, head), time_limits.kept(context, direction):
        yield


def _database_name(context: Context) -> str:
    settings = context.settings.database
    return settings.name if settings and settings.name else context.database.server.name


def at_target_head(context: Context) -> Check:
    """Check that the database is at the target's head."""
    helps = "read the downgrade's output; the restore point exists"
    return _database_at(context, {migration_facts.of(context).target_head}, helps)


def _database_at(context: Context, heads: set[str], next_step: str) -> Check:
    def observe() -> Observation:
        revisions = schema_revisions.revisions(context)
        return Observation(set(revisions) == heads, f"the database is at {', '.join(revisions)}")

    return Check(f"the database at {', '.join(sorted(heads))}", observe, next_step, acceptable=False)


def as_target_maps(context: Context) -> Check:
    """Check that the database has every table and column that the target maps.

    A downgrade may exit with 0 and undo nothing (trap 9).
    """
    if schema_revisions.is_own(context):
        return left_out("every table and column that the target's code maps", Absent.MODELS)
    models = migration_facts.of(context).target.models

    def observe() -> Observation:
        if models is None:
            raise Inconclusive(
                f"the target's models could not be read: {migration_facts.of(context).target.why('models')}",
                "compare the schema by hand; the restore point exists",
            )
        there = context.database.columns()
        missing, mapped = [], 0
        for table in models.tables:
            name = table.name if table.schema in (None, "public") else f"{table.schema}.{table.name}"
            mapped += len(table.columns)
            missing += [f"{name}.{c.name}" for c in table.columns if c.name not in there.get(name, set())]
        seen = f"the database lacks {', '.join(missing)}" if missing else f"all {mapped} mapped columns exist"
        return Observation(not missing, seen, final=True)

    return Check(
        "every table and column that the target's code maps",
        observe,
        "the downgrade was incomplete: ship a forward-fix, or restore the restore point",
        acceptable=False,
    )


def migration_startable(context: Context) -> Check:
    """Check that the upgrade command starts, in a container like the one that will run it."""
    return migrate_command.starts(context, pinned_release(context).tag, Direction.UPGRADE)


def migrate(context: Context) -> Action:
    """Upgrade the schema to the forward-fix's head, in isolation, before the application is replaced.

    Time limits for locks and statements are enforced.
    """
    tag, heads = pinned_release(context).tag, migration_facts.of(context).target.heads
    summary = f"the schema is migrated to {', '.join(heads)} with {tag}"
    return _in_isolation(context, ActionName.UPGRADE, summary, tag, Direction.UPGRADE)


def migrated(context: Context) -> Check:
    """Check that the database is at the forward-fix's head."""
    return _database_at(context, set(migration_facts.of(context).target.heads), "read the migration's output")
