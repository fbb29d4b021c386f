"""The data loss of a migration: named, counted, and accepted by a person before anything is done.

An acceptance counts for the whole incident. If more would be lost now (something else, more rows, or an unknown number
in a database that was written to since), the loss is named again and must be accepted again.
"""

from collections.abc import Sequence

from runbook.actions import Check, Observation, Question
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating.migrate_command import Direction
from runbook.chapters.migrating.schema_revisions import is_own, revisions
from runbook.incident.facts import Strategy
from runbook.incident.schema_facts import AcceptedLoss, DatabaseState, Loss
from runbook.migrations.database_state import is_unchanged, read_state
from runbook.migrations.image.report import Function, ImageReport, Migration
from runbook.migrations.verdict.table_names import bookkeeping

_NOTHING = "no data"


def expected(context: Context) -> Check:
    """Check that the strategy's data loss is named and, if there is any, accepted with its revision."""
    revision = _revision(context)

    def observe() -> Observation:
        before = _accepted_before(context, revision)
        if reached := migration_facts.reached(context):
            # There is nothing left to count: what was accepted before is what was lost.
            named = list(context.incident.facts.loss or ())
            answer = f"nothing left to do: {reached}"
            context.incident.record_decision(Question.LOSS, _question(context), answer, named)
            return Observation(ok=True, seen=f"nothing left to do: {reached}")
        return _judged(context, revision, before, _losses(context))

    return Check(
        f"the loss accepted with --accept-loss {revision}",
        observe,
        f"to accept this loss, type it again with --accept-loss {revision}; a restore point is taken first",
        decided_by=("--accept-loss", revision),
    )


def _judged(context: Context, revision: str, before: list[Loss], losses: list[Loss]) -> Observation:
    from runbook.migrations.data_loss import beyond_accepted, largest  # noqa: PLC0415 - as in _destroyed

    context.incident.record_fact("loss", tuple(map(str, losses)))
    named = [str(loss) for loss in losses] or [_NOTHING]
    more = beyond_accepted(before, losses, unchanged=_unchanged(context))
    option: tuple[str, ...] = ("--accept-loss", revision)
    if not losses:
        answer, ok, option = "there is nothing to accept", True, ()
    elif context.options.accept_loss == revision:
        answer, ok = f"accepted by name (--accept-loss {revision})", True
        fact = AcceptedLoss(revision=revision, losses=tuple(largest([*before, *losses])))
        if any(loss.rows is None for loss in losses):
            # An unknown number of rows is accepted only for the current state of the database.
            state = read_state(context.database, context.settings.deadlines.dump)
            fact = fact.model_copy(update={"state": state})
        context.incident.record_fact("loss accepted", fact)
    elif before and not more:
        answer, ok = f"already accepted in this incident (--accept-loss {revision})", True
    else:
        new = f": more than was accepted in this incident: {'; '.join(map(str, more))}" if before else ""
        answer, ok, option = f"not accepted{new}", False, ()
    context.incident.record_decision(Question.LOSS, _question(context), answer, named, option=option)
    return Observation(ok, f"would be destroyed: {'; '.join(named)}; {answer}", final=True)


def _accepted_before(context: Context, revision: str) -> list[Loss]:
    fact = context.incident.facts.loss_accepted
    return list(fact.losses) if fact and fact.revision == revision else []


def _unchanged(context: Context) -> bool:
    fact = context.incident.facts.loss_accepted
    state = fact.state if fact else DatabaseState()
    return is_unchanged(state, context.database, context.settings.deadlines.dump)


def _forward(context: Context) -> bool:
    return context.incident.facts.strategy is Strategy.FORWARD_FIX


def _question(context: Context) -> str:
    return f"May the {'forward-fix' if _forward(context) else 'downgrade'} destroy this?"


def _revision(context: Context) -> str:
    """Return the revision that names the loss: the lowest one to undo, or the forward-fix's head."""
    if _forward(context):
        return migration_facts.of(context).target_head
    if is_own(context):
        # Its commands do not report the revisions between, so the revision to go back to names the loss.
        return migration_facts.of(context).target_head
    return migration_facts.steps_to_undo(context)[-1].revision


def _losses(context: Context) -> list[Loss]:
    """Return what would be lost from the database's current revision. SQL that cannot be read is an unknown loss."""
    facts = migration_facts.of(context)
    return _destroyed(context, *ahead(context, facts.target if _forward(context) else facts.failed))


def of_whole_range(context: Context, image: ImageReport, direction: Direction) -> list[Loss]:
    """Return what the whole range of `image` would destroy in that direction, at any revision of the database."""
    functions, written = _functions(image.span.steps if image.span else (), direction), getattr(image, direction)
    return _destroyed(context, functions, written.sql if written else None, image.why(direction))


def _destroyed(context: Context, functions: "list[tuple[str, Function]]", sql: str | None, why: str) -> list[Loss]:
    from runbook.migrations import data_loss  # noqa: PLC0415 - loads PostgreSQL's grammar, which takes a while

    doubts = [
        data_loss.unknown_loss(f"{name} may do more than its SQL, or something else")
        for name, function in functions
        if function.reads_database or function.differs_offline
    ]
    if sql is None:
        return [data_loss.unknown_loss(f"the SQL could not be read: {why}"), *doubts]
    return [*data_loss.losses_of(sql, context.database, bookkeeping(context.settings.database)), *doubts]


def ahead(context: Context, image: ImageReport | None) -> tuple[list[tuple[str, Function]], str | None, str]:
    """Return what `image` has yet to run: the functions, their SQL (None if it cannot be read), and why not."""
    if image is None or image.span is None:
        return [], None, image.why("span") if image else "the image was not asked"
    forward, now = _forward(context), revisions(context)
    name = Direction.UPGRADE if forward else Direction.DOWNGRADE
    begin = image.span.lower if forward else image.span.upper
    migrations = image.span.steps[::-1] if forward else image.span.steps  # in the order in which they are run
    written = getattr(image, name)
    if now == (begin,):
        sql = written.sql if written else None
    else:
        # An earlier run stopped between two revisions.
        migrations = _remaining(migrations, now, forward=forward)
        bodies = [written.bodies.get(each.revision) if written else None for each in migrations]
        sql = None if not migrations or None in bodies else "\n".join(map(str, bodies))
    return (
        _functions(migrations, name),
        sql,
        image.why(name) if migrations else f"the database is at {', '.join(now)}, which is not in the range",
    )


def _functions(migrations: Sequence[Migration], direction: Direction) -> list[tuple[str, Function]]:
    return [(f"{direction}() of {each.revision}", getattr(each, direction)) for each in migrations]


def _remaining(migrations: tuple[Migration, ...], now: tuple[str, ...], *, forward: bool) -> tuple[Migration, ...]:
    """Return the `migrations` yet to run for a database at `now`; none if it is at none of them."""
    at = next((n for n, each in enumerate(migrations) if now == (each.revision,)), len(migrations))
    return migrations[at + 1 :] if forward else migrations[at:]
