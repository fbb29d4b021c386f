"""What the strategy would destroy: named, counted, and accepted by a person before anything is done.

A person accepts what was named to them. In an incident that is gone on with, what was accepted still counts; if more
would be lost by now (something else, more rows, or an unknown number in a database that has moved since), it is named
anew and must be accepted anew.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runbook.actions import Check, Observation, Question
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.migrations.database_state import Moment
from runbook.migrations.image.answer import Function, Step
from runbook.migrations.image.probe import ImageMigrations
from runbook.migrations.verdict.table_names import bookkeeping

if TYPE_CHECKING:
    from runbook.migrations.data_loss import Loss

_NOTHING = "nothing that the database holds"


def expected(context: Context) -> Check:
    """That what the way destroys is named, and accepted with its revision if it is anything."""
    revision = _revision(context)

    def observe() -> Observation:
        before = _accepted_before(context, revision)
        if reached := migration_facts.reached(context):
            # There is nothing left to count: what was accepted before it is what was lost.
            named = context.incident.facts.get("loss", [])
            answer = f"nothing is left to do: {reached}"
            context.incident.record_decision(Question.LOSS, _question(context), answer, named)
            return Observation(ok=True, seen=f"nothing is left to do: {reached}")
        return _judged(context, revision, before, _named(context))

    return Check(
        f"the loss accepted with --accept-loss {revision}",
        observe,
        f"if that may be lost, type it again with --accept-loss {revision}; a restore point is taken first",
        decided_by=("--accept-loss", revision),
    )


def _judged(context: Context, revision: str, before: "list[Loss]", losses: "list[Loss]") -> Observation:
    from runbook.migrations.data_loss import more_than, most  # noqa: PLC0415 - as in _named

    context.incident.record_fact("loss", [str(loss) for loss in losses])
    told = [str(loss) for loss in losses] or [_NOTHING]
    more = more_than(before, losses, unmoved=_unmoved(context))
    given = context.options.accept_loss == revision
    option: tuple[str, ...] = ("--accept-loss", revision)
    if not losses:
        answer, ok, option = "there is nothing to accept", True, ()
    elif given:
        answer, ok = f"accepted by name (--accept-loss {revision})", True
        kept = [asdict(loss) for loss in most([*before, *losses])]
        state = _state(context, losses)
        fact = {"revision": revision, "losses": kept} | ({"state": state} if state else {})
        context.incident.record_fact("loss accepted", fact)
    elif before and not more:
        answer, ok = f"accepted in this incident before (--accept-loss {revision})", True
    else:
        new = f": more than was accepted in this incident: {'; '.join(map(str, more))}" if before else ""
        answer, ok, option = f"not accepted{new}", False, ()
    context.incident.record_decision(Question.LOSS, _question(context), answer, told, option=option)
    return Observation(ok, f"would be destroyed: {'; '.join(told)}; {answer}", final=True)


def _accepted_before(context: Context, revision: str) -> "list[Loss]":
    from runbook.migrations.data_loss import Loss  # noqa: PLC0415 - as in _named

    fact: Mapping[str, Any] = context.incident.facts.get("loss accepted", {})
    return [Loss(**each) for each in fact["losses"]] if fact.get("revision") == revision else []


def _state(context: Context, losses: "list[Loss]") -> dict[str, str]:
    """The state that the database is in, where a number that nobody knows was accepted in it; reads every table."""
    if all(loss.rows is not None for loss in losses):
        return {}
    return asdict(Moment.now(context.catalog, context.settings.deadlines.dump))


def _unmoved(context: Context) -> bool:
    state = context.incident.facts.get("loss accepted", {}).get("state") or {}
    return Moment(**state).holds_still(context.catalog, context.settings.deadlines.dump)


def _forward(context: Context) -> bool:
    return context.incident.facts.get("strategy") == "forward-fix"


def _question(context: Context) -> str:
    return f"May the {'forward-fix' if _forward(context) else 'downgrade'} destroy this?"


def _revision(context: Context) -> str:
    """The revision by which the loss is accepted: the lowest that is undone, or the forward-fix's head."""
    if _forward(context):
        return migration_facts.of(context).target_head
    return migration_facts.steps_to_undo(context)[-1].revision


def _named(context: Context) -> "list[Loss]":
    """What would be lost from where the database is now; SQL that nobody could read is a loss that nobody knows."""
    from runbook.migrations import data_loss  # noqa: PLC0415 - loads PostgreSQL's grammar, for which nobody should wait

    known = migration_facts.of(context)
    image = known.target if _forward(context) else known.failed
    functions, sql, why = _ahead(context, image)
    doubts = [
        data_loss.unknown(f"{name} does more, or other things, than its SQL tells")
        for name, function in functions
        if function.reads_database or function.differs_offline
    ]
    if sql is None:
        return [data_loss.unknown(f"the SQL could not be read: {why}"), *doubts]
    return [*data_loss.named(sql, context.catalog, bookkeeping(context.settings.database)), *doubts]


def _ahead(context: Context, image: ImageMigrations | None) -> tuple[list[tuple[str, Function]], str | None, str]:
    """What is still to do: each revision's function, the SQL of them all (None if it cannot be read), and why not."""
    if image is None or image.span is None:
        return [], None, image.why("span") if image else "the image was not asked"
    name, now = "upgrade" if _forward(context) else "downgrade", context.catalog.revisions()
    # In the order in which they are done.
    steps = image.span.steps[::-1] if _forward(context) else image.span.steps
    found = getattr(image, name)
    if now == ((image.span.lower,) if _forward(context) else (image.span.upper,)):
        sql = found.sql if found else None
    else:
        # It broke off between two revisions.
        steps = _left(steps, now, forward=_forward(context))
        bodies = [found.bodies.get(step.revision) if found else None for step in steps]
        sql = None if not steps or None in bodies else "\n".join(map(str, bodies))
    functions = [(f"{name}() of {step.revision}", getattr(step, name)) for step in steps]
    return functions, sql, image.why(name) if steps else f"the database is at {', '.join(now)}, not on the way"


def _left(steps: tuple[Step, ...], now: tuple[str, ...], *, forward: bool) -> tuple[Step, ...]:
    """Those of `steps` that are still to be done where the database is at `now`; none if it is not among them."""
    at = next((n for n, step in enumerate(steps) if now == (step.revision,)), len(steps))
    return steps[at + 1 :] if forward else steps[at:]
