"""A failed migration: the schema is read again, and reported with the way on and the way back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runbook.actions import ActionName
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating import schema_revisions
from runbook.chapters.migrating.migrate_command import Direction
from runbook.chapters.restore.starting import starting
from runbook.chapters.target import pinned_release
from runbook.command_hints import command, invocation
from runbook.errors import CheckFailed, HostError, RunbookError
from runbook.incident.schema_facts import HalfWay, SchemaBefore
from runbook.migrations.catalog import catalog_of, differences, whole_catalog_of

_MIGRATE = (ActionName.DOWNGRADE, ActionName.UPGRADE)
_SHOWN = 4  # differences in the message; all are on record


def note(context: Context) -> None:
    """Record the schema before traffic is paused, unless this incident has begun to migrate it.

    If the schema cannot be read, it is read again right before the migration.
    """
    _before(context, begun=0)


@contextmanager
def told(context: Context, direction: Direction, to: str) -> Iterator[None]:
    """If the migration to `to` fails, read the schema again and compare it with the one from before.

    Raises CheckFailed then, with the schema's state, the way on and the way back, instead of the migration's error.
    """
    before = _before(context, begun=1)
    try:
        yield
    except (CheckFailed, HostError) as error:
        raise _stopped(context, direction, to, before, error) from error


def _before(context: Context, begun: int) -> SchemaBefore | None:
    """Return the schema before any migration of this incident; None if it cannot be read.

    Once more than `begun` migrations were begun, it is too late to read it.
    """
    facts = context.incident.facts
    if facts.schema_before is None and _migrations_begun(context) <= begun:
        try:
            catalog = tuple((row[0], row[1], row[2]) for row in whole_catalog_of(context.database))
        except RunbookError:
            return None
        found = facts.revisions_found_again or facts.revisions or ()
        context.incident.record_fact("schema before", SchemaBefore(revisions=found, catalog=catalog))
    return facts.schema_before


def _migrations_begun(context: Context) -> int:
    entries = (entry for entry in context.incident.journal.entries if entry["kind"] == "action")
    return sum(entry["state"] == "begun" and entry["action"] in _MIGRATE for entry in entries)


def _stopped(
    context: Context, direction: Direction, to: str, before: SchemaBefore | None, error: RunbookError
) -> CheckFailed:
    began = before.revisions if before else context.incident.facts.revisions or ()
    back, point = "", context.incident.facts.restore_point
    if point is not None:
        back = _typed(context, "-m", "restore", "--dump", point.path)
    try:
        now = schema_revisions.revisions(context)
        changed = tuple(differences(before.catalog, whole_catalog_of(context.database))) if before else None
        missing = _missing(context)
    except RunbookError as unknown:
        seen = f"{error.seen}; the state of the schema is unknown: {unknown.seen}"
        helps = f"look at the database; to restore its state from before: {back}" if back else error.next_step
        return CheckFailed(seen, helps)
    fact = HalfWay(direction=direction, revisions=now, began=began, to=to, changed=changed, missing=missing)
    on = _typed(context, "--resume", context.incident.name)
    if fact.untouched:
        back = starting(context)
    fact = fact.model_copy(update={"way_on": on, "way_back": back})
    context.incident.record_fact("half way", fact)
    return CheckFailed(f"{error.seen}; {_state(context, fact)}", _ways(fact))


def _missing(context: Context) -> tuple[str, ...] | None:
    """Return the differences from the schema with which the target was validated; None if they are unknown."""
    if schema_revisions.is_own(context):
        return None
    try:
        kept = context.ledger.snapshot_at(pinned_release(context), migration_facts.of(context).target.heads)
    except RunbookError:
        return None
    if kept is None or kept.catalog is None:
        return None
    return tuple(differences(kept.catalog, catalog_of(context.database)))


def _state(context: Context, fact: HalfWay) -> str:
    at, began = ", ".join(fact.revisions), ", ".join(fact.began)
    if fact.untouched:
        return f"it left no change: the database is at {at}, and its schema is as before"
    what = f"the schema has changed ({_few(fact.changed)})" if fact.changed else "the changes to the schema are unknown"
    if fact.between_revisions:
        told = f"it stopped HALF-WAY: the database is at {at}, as before, but {what}"
    else:
        told = f"{_counted(context, fact)}the database is at {at}, between {began} and {fact.to}, and {what}"
    if fact.missing is None:
        return f"{told}; the target's schema is unknown"
    return f"{told}; differences from the target's schema: {_few(fact.missing)}" if fact.missing else told


def _counted(context: Context, fact: HalfWay) -> str:
    known = migration_facts.of(context)
    image = known.failed if fact.direction == Direction.DOWNGRADE else known.target
    steps = [each.revision for each in image.span.steps] if image and image.span else []
    if fact.direction == Direction.UPGRADE:
        done = len(steps) - steps.index(fact.revisions[0]) if fact.revisions[0] in steps else 0
    else:
        done = steps.index(fact.revisions[0]) if fact.revisions[0] in steps else 0
    return f"{done} of {len(steps)} revisions succeeded: " if done else ""


def _ways(fact: HalfWay) -> str:
    if fact.untouched:
        return f"to continue after fixing the error: {fact.way_on}; to go back to the failed release: {fact.way_back}"
    back = f"to restore the state from before the {fact.direction}: {fact.way_back}" if fact.way_back else ""
    if not fact.between_revisions:
        return f"to continue after fixing the error: {fact.way_on}; {back}"
    return f"{back}; to continue: restore first, then fix the error, then: {fact.way_on}"


def _few(found: Sequence[str] | None) -> str:
    shown = list(found or ())
    more = [f"{len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    return "; ".join([*shown[:_SHOWN], *more])


def _typed(context: Context, *options: str) -> str:
    entries = context.incident.journal.entries
    begun = invocation(entries[0] if entries else {})
    return command(begun, *options, "--execute", context.settings.project.name)
