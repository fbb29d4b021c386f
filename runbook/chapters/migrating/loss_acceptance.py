"""The loss that a migration would cause: named, counted, and accepted by a person before anything is done.

What was accepted counts for the whole incident. If more would be lost by now (something else, more rows, or an unknown
number in a database that was written to since), it is named anew and must be accepted anew.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runbook.actions import Check, Observation, Question
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.migrations.database_state import DatabaseState
from runbook.migrations.image.report import Function, ImageReport, Migration
from runbook.migrations.verdict.table_names import bookkeeping

if TYPE_CHECKING:
    from runbook.migrations.data_loss import Loss

_NOTHING = "nothing that the database holds"


def expected(context: Context) -> Check:
    """That what the strategy destroys is named, and accepted with its revision if it is anything."""
    revision = _revision(context)

    def observe() -> Observation:
        before = _accepted_before(context, revision)
        if reached := migration_facts.reached(context):
            # There is nothing left to count: what was accepted before is what was lost.
            named = context.incident.facts.get("loss", [])
            answer = f"nothing is left to do: {reached}"
            context.incident.record_decision(Question.LOSS, _question(context), answer, named)
            return Observation(ok=True, seen=f"nothing is left to do: {reached}")
        return _judged(context, revision, before, _losses(context))

    return Check(
        f"the loss accepted with --accept-loss {revision}",
        observe,
        f"if that may be lost, type it again with --accept-loss {revision}; a restore point is taken first",
        decided_by=("--accept-loss", revision),
    )


def _judged(context: Context, revision: str, before: "list[Loss]", losses: "list[Loss]") -> Observation:
    from runbook.migrations.data_loss import beyond_accepted, largest  # noqa: PLC0415 - as in _losses

    context.incident.record_fact("loss", [str(loss) for loss in losses])
    named = [str(loss) for loss in losses] or [_NOTHING]
    more = beyond_accepted(before, losses, unchanged=_unchanged(context))
    option: tuple[str, ...] = ("--accept-loss", revision)
    if not losses:
        answer, ok, option = "there is nothing to accept", True, ()
    elif context.options.accept_loss == revision:
        answer, ok = f"accepted by name (--accept-loss {revision})", True
        fact: dict[str, Any] = {"revision": revision, "losses": [asdict(loss) for loss in largest([*before, *losses])]}
        if any(loss.rows is None for loss in losses):
            # An unknown number is accepted for the state that the database is in now.
            fact["state"] = asdict(DatabaseState.read(context.database, context.settings.deadlines.dump))
        context.incident.record_fact("loss accepted", fact)
    elif before and not more:
        answer, ok = f"accepted in this incident before (--accept-loss {revision})", True
    else:
        new = f": more than was accepted in this incident: {'; '.join(map(str, more))}" if before else ""
        answer, ok, option = f"not accepted{new}", False, ()
    context.incident.record_decision(Question.LOSS, _question(context), answer, named, option=option)
    return Observation(ok, f"would be destroyed: {'; '.join(named)}; {answer}", final=True)


def _accepted_before(context: Context, revision: str) -> "list[Loss]":
    from runbook.migrations.data_loss import Loss  # noqa: PLC0415 - as in _losses

    fact: Mapping[str, Any] = context.incident.facts.get("loss accepted", {})
    return [Loss(**each) for each in fact["losses"]] if fact.get("revision") == revision else []


def _unchanged(context: Context) -> bool:
    state = context.incident.facts.get("loss accepted", {}).get("state") or {}
    return DatabaseState(**state).unchanged(context.database, context.settings.deadlines.dump)


def _forward(context: Context) -> bool:
    return context.incident.facts.get("strategy") == "forward-fix"


def _question(context: Context) -> str:
    return f"May the {'forward-fix' if _forward(context) else 'downgrade'} destroy this?"


def _revision(context: Context) -> str:
    """The revision by which the loss is accepted: the lowest that is undone, or the forward-fix's head."""
    if _forward(context):
        return migration_facts.of(context).target_head
    return migration_facts.steps_to_undo(context)[-1].revision


def _losses(context: Context) -> "list[Loss]":
    """What would be lost from where the database is now; SQL that cannot be read is an unknown loss."""
    from runbook.migrations import data_loss  # noqa: PLC0415 - loads PostgreSQL's grammar, which takes a while

    facts = migration_facts.of(context)
    functions, sql, why = _ahead(context, facts.target if _forward(context) else facts.failed)
    doubts = [
        data_loss.unknown_loss(f"{name} does more, or other things, than its SQL tells")
        for name, function in functions
        if function.reads_database or function.differs_offline
    ]
    if sql is None:
        return [data_loss.unknown_loss(f"the SQL could not be read: {why}"), *doubts]
    return [*data_loss.losses_of(sql, context.database, bookkeeping(context.settings.database)), *doubts]


def _ahead(context: Context, image: ImageReport | None) -> tuple[list[tuple[str, Function]], str | None, str]:
    """What is still to be run: the functions, the SQL of them all (None if it cannot be read), and why not."""
    if image is None or image.span is None:
        return [], None, image.why("span") if image else "the image was not asked"
    forward, now = _forward(context), context.database.revisions()
    name, begin = ("upgrade", image.span.lower) if forward else ("downgrade", image.span.upper)
    migrations = image.span.steps[::-1] if forward else image.span.steps  # in the order in which they are run
    written = getattr(image, name)
    if now == (begin,):
        sql = written.sql if written else None
    else:
        # An earlier run stopped between two revisions.
        migrations = _remaining(migrations, now, forward=forward)
        bodies = [written.bodies.get(each.revision) if written else None for each in migrations]
        sql = None if not migrations or None in bodies else "\n".join(map(str, bodies))
    functions = [(f"{name}() of {each.revision}", getattr(each, name)) for each in migrations]
    return functions, sql, image.why(name) if migrations else f"the database is at {', '.join(now)}, not on the way"


def _remaining(migrations: tuple[Migration, ...], now: tuple[str, ...], *, forward: bool) -> tuple[Migration, ...]:
    """Those of `migrations` still to be run where the database is at `now`; none if it is at none of them."""
    at = next((n for n, each in enumerate(migrations) if now == (each.revision,)), len(migrations))
    return migrations[at + 1 :] if forward else migrations[at:]
