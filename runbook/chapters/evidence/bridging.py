"""A bridge that relaxes the schema for the target without touching a row: found, and tried on a copy both ways.

It is proposed only if the rest of the range is backward compatible by the rules, the copy and production's rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.evidence.judged import Judged, concluded_by
from runbook.chapters.evidence.schema_copy import Beginning, SchemaCopy
from runbook.chapters.evidence.schema_trial import TrialResult, TriedStatements
from runbook.chapters.startup.scratch_database import ScratchDatabase, asking, carrying_out, rows_in
from runbook.errors import Inconclusive, RunbookError
from runbook.incident.schema_facts import Bridge
from runbook.migrations.bridge.definitions import definitions_in
from runbook.migrations.bridge.hopes import possible_relaxations
from runbook.migrations.bridge.names import views
from runbook.migrations.bridge.relaxation import Relaxation, bridge_of, candidates, in_order, smallest, without
from runbook.migrations.bridge.shapes import shapes_in
from runbook.migrations.catalog import WHOLE_CATALOG, whole_catalog_in
from runbook.migrations.database import literal, quoted
from runbook.migrations.image.mapped_models import Models
from runbook.migrations.model_statements import Refused, compared, statements_of_models
from runbook.migrations.verdict.findings import ADDITIVE, BREAKING, REVIEW, Verdict
from runbook.migrations.verdict.table_names import PUBLIC, bookkeeping

_FITS = (Verdict.UNCHANGED, ADDITIVE)
_OWNED = "SELECT pg_has_role({}, relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass({})"


@dataclass(frozen=True)
class Proposal:
    """The bridge, or why there is none, and the run that tried it (empty: this run)."""

    bridge: Bridge | None = None
    why_not: str = ""
    by: str = ""


@dataclass(frozen=True)
class _Kept:
    """A bridge that was tried, and the run that tried it."""

    bridge: Bridge
    by: str


_KEPT = TypeAdapter(_Kept)
_REFUSED = TypeAdapter(tuple[Refused, ...] | None)


def proposed(context: Context, judged: Judged, copy: SchemaCopy) -> Proposal:
    """Return the smallest bridge on which the target can run, tried on a copy; in case of doubt, why there is none."""
    trial, known = judged.trial, migration_facts.of(context)
    if judged.assessment.verdict not in (BREAKING, REVIEW):
        return Proposal(why_not="the target can use the schema as it is")
    if trial is None or trial.untried:
        return Proposal(why_not="there was no copy of the schema for a trial")
    models, sql = known.target.models, trial.upgrade_sql or known.upgrade_sql
    if models is None or not sql:
        return Proposal(why_not="the target's models or the migrations' SQL are unknown")
    try:
        return _found(context, copy, trial, sql, models)
    except RunbookError as error:
        return Proposal(why_not=error.seen)


def _found(context: Context, copy: SchemaCopy, trial: TrialResult, sql: str, models: Models) -> Proposal:
    from runbook.migrations.verdict.ddl.dispatch import folded  # noqa: PLC0415 - loads PostgreSQL's grammar
    from runbook.migrations.verdict.statements import statements_of  # noqa: PLC0415 - the same

    statements = list(statements_of(sql))
    delta = folded(statements, bookkeeping(context.settings.database))
    defaults = {name: detail for kind, name, detail in trial.then_catalog or () if kind == "default"}
    without_copy = replace(trial, breaks=(), doubtful=())

    # Statements that the copy refused are tried again once the bridge is built there.
    def suffices(relaxed: Sequence[Relaxation]) -> bool:
        return _fits(context, without_copy, relaxed)

    hopes = possible_relaxations(delta, models, statements, defaults)
    if not hopes or not suffices(hopes):
        return Proposal(why_not="not all obstacles can be relaxed without touching a row")
    beginning = trial.beginning or Beginning()
    if beginning.definitions is None or beginning.shapes is None:
        return Proposal(why_not="the copy of the schema does not show what could be relaxed")
    known = definitions_in(beginning.definitions)
    found = candidates(delta, models, known, defaults)
    found = in_order([*found, *views(delta, models, shapes_in(beginning.shapes), known, statements)])
    needed = smallest(found, suffices)
    if needed is None:
        return Proposal(why_not="not all obstacles can be relaxed without touching a row")
    return _tried(context, copy, trial, needed or tuple(found), models)


def _fits(context: Context, trial: TrialResult, relaxed: Sequence[Relaxation]) -> bool:
    """Return whether the rest of the range is backward compatible by all evidence."""
    return concluded_by(context, trial, lambda delta: without(delta, relaxed)).assessment.verdict in _FITS


def _tried(
    context: Context, copy: SchemaCopy, trial: TrialResult, relaxed: Sequence[Relaxation], models: Models
) -> Proposal:
    """Try the bridge, unless an earlier run kept the result of exactly the same trial. Raises as `tried_on` does."""
    asked = copy.question()
    path = None if asked is None else context.kept.path([*_question(trial, relaxed, models), asked])
    if (known := context.kept.read(path, _KEPT.validate_json)) is not None:
        return Proposal(known.bridge, by=known.by)
    place, beginning = copy.for_bridge()
    who = context.database.server.user
    for table in dict.fromkeys(each.table for each in relaxed):
        name = ".".join(map(quoted, (table.schema or PUBLIC, table.name)))
        if place.told(asking(_OWNED.format(literal(who), literal(name))))[0].strip() != "t":
            return Proposal(why_not=f"{who} may not alter {table}")
    bridge = tried_on(place, beginning, trial, relaxed, models)
    context.kept.keep(path, _KEPT.dump_python(_Kept(bridge, context.incident.name), mode="json"))
    return Proposal(bridge)


def _question(trial: TrialResult, relaxed: Sequence[Relaxation], models: Models) -> list[Any]:
    """Return what is tried on the copy, and what the result is compared with."""
    then = _REFUSED.dump_python(trial.then, mode="json")
    told = None if trial.beginning is None else trial.beginning.catalog
    return ["bridge", [asdict(each) for each in relaxed], asdict(models), then, bool(trial.no_way_back), told]


def tried_on(
    copy: ScratchDatabase, beginning: Beginning, trial: TrialResult, relaxed: Sequence[Relaxation], models: Models
) -> Bridge:
    """Build the bridge, run the target's statements, remove the bridge, and build it again.

    Raises Inconclusive when a statement is refused, when the removal does not restore the copy, or when the second
    bridge differs from the first.
    """
    copy.take_baseline()
    code = TriedStatements(statements_of_models(models), beginning.path, triggers=any(each.linked for each in relaxed))
    building = carrying_out([sql for each in relaxed for sql in each.up]), asking(WHOLE_CATALOG)
    _, catalog, told = copy.told(*building, code.part)
    built = whole_catalog_in(rows_in(catalog))
    breaks, gone, doubtful = compared(code.refused(told), trial.then)
    if refused := [*breaks, *(gone if trial.no_way_back else ()), *doubtful]:
        raise Inconclusive(
            f"on the relaxed schema the target's statements are still refused: {refused[0].message}",
            "choose another strategy",
        )
    if changed := copy.changed_after([sql for each in reversed(relaxed) for sql in each.down]):
        raise Inconclusive(f"building and removing the bridge {changed}", "choose another strategy")
    _, again = copy.told(*building)
    if whole_catalog_in(rows_in(again)) != built:
        raise Inconclusive("the bridge differs when it is built a second time", "choose another strategy")
    return bridge_of(relaxed, beginning.catalog, built)
