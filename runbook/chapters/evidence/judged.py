"""The verdict from all evidence: the SQL, a copy of the schema, and rows of production.

If two disagree, the worse counts, and both are shown.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.evidence.rows import asked, settled_on_copy
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.migration_facts import Schema
from runbook.chapters.target import pinned_release
from runbook.errors import RunbookError
from runbook.migrations.catalog import partitions_of
from runbook.migrations.image.report import Migration
from runbook.migrations.verdict.findings import (
    ADDITIVE,
    BREAKING,
    REVIEW,
    Assessment,
    Finding,
    Source,
    Verdict,
    concluded,
    worst,
)
from runbook.migrations.verdict.table_names import Name, bookkeeping

if TYPE_CHECKING:  # loads PostgreSQL's grammar, which is slow and would delay the first step
    from runbook.chapters.evidence.schema_trial import TrialResult
    from runbook.migrations.verdict.schema_delta import SchemaDelta

_FEW = 3  # differences that are shown
_MOST_TOLD = 10  # refused statements that are shown


@dataclass(frozen=True)
class Judged:
    """The findings from all evidence, and sentences on its sources.

    `no_way_back` says why the downgrade certainly does not lead back to the target's schema; empty if it may. `trial`
    is the trial's result; None if there could be none.
    """

    assessment: Assessment
    sources: tuple[str, ...] = ()
    no_way_back: str = ""
    trial: "TrialResult | None" = None


def judged(context: Context, copy: SchemaCopy) -> Judged:
    """Judge the range from the target's head to the database's revision as one net change, with a trial on `copy`."""
    known = migration_facts.of(context)
    if known.same:
        return Judged(Assessment(Verdict.UNCHANGED, ()))
    return concluded_by(context, _trial(context, known, copy))


def concluded_by(
    context: Context, trial: "TrialResult | None", without: Callable[["SchemaDelta"], None] | None = None
) -> Judged:
    """Return the verdict from a trial's result (None if there can be none), the SQL, and rows of production.

    `without` removes from the net change what must not count.
    """
    known = migration_facts.of(context)
    by_sql = _by_sql(context, known, without)
    if trial is None:
        return Judged(concluded(asked(context, by_sql)))
    if trial.untried:
        told = f"judged only by the SQL; no trial on a copy of the schema: {trial.untried}"
        return Judged(concluded(asked(context, by_sql)), (told,))
    on_copy = list(_on_copy(context, known, trial, without))
    seen = trial.upgrade_sql is not None
    unread = [each for each in by_sql if each.source is Source.NOTHING]
    both = [each for each in by_sql if not (seen and each in unread)]
    same = {(each.verdict, each.object, each.reason) for each in both}
    both += [each for each in on_copy if (each.verdict, each.object, each.reason) not in same]
    mapped = frozenset(
        f"{table.schema}.{table.name}" if table.schema else table.name
        for table in (known.target.models.tables if known.target.models else ())
    )
    found = concluded(asked(context, settled_on_copy(both, trial.taken, mapped, trial.placed)))
    nowhere = trial.no_way_back if trial.leads_nowhere else ""
    return Judged(found, tuple(_told(trial, by_sql, on_copy)), nowhere, trial)


def ran_instead(context: Context, found: Judged) -> dict[str, str]:
    """Return the SQL that upgrade and downgrade ran on the copy, by member of the verdict's fact.

    Only for a direction without SQL from the image. SQL that reads rows is left out, because the copy has none.
    """
    from runbook.migrations.server_log import tables_read  # noqa: PLC0415 - loads PostgreSQL's grammar

    failed, trial = migration_facts.of(context).failed, found.trial
    if failed is None or trial is None:
        return {}
    own = bookkeeping(context.settings.database)
    ways = (
        ("upgrade_sql", failed.upgrade, trial.upgrade_sql),
        ("downgrade_sql", failed.downgrade, trial.downgrade_sql),
    )
    return {
        name: sql
        for name, told, sql in ways
        if (told is None or told.sql is None) and sql is not None and not any(tables_read(sql, own))
    }


def _by_sql(context: Context, known: Schema, without: Callable[["SchemaDelta"], None] | None) -> list[Finding]:
    """Return the findings from the SQL of the failed release's image; one finding without a source if it gave none."""
    failed = known.failed
    if failed is None or failed.upgrade is None or failed.upgrade.sql is None:
        why = failed.why("upgrade") if failed else "that image was not asked"
        if failed and failed.span is None:
            why = failed.why("span")
        whose = "release to deploy" if context.incident.facts.release_to_deploy else "failed release"
        at, head = ", ".join(known.database), ", ".join(known.target.heads)
        reason = f"the SQL from {head} to {at} could not be read from the image of the {whose}: {why}"
        return [Finding(REVIEW, "", "", reason, source=Source.NOTHING)]
    # Imported late: PostgreSQL's grammar is slow to load, and would delay the first step.
    from runbook.migrations.verdict.judge import as_it_is, judge  # noqa: PLC0415

    own, parts = bookkeeping(context.settings.database), _partitions(context)
    models, leaves_out = known.target.models, without or as_it_is
    found = judge(failed.upgrade.sql, models, bookkeeping=own, partitions=parts, without=leaves_out)
    return list(found.findings)


def _partitions(context: Context) -> dict[Name, Name] | None:
    """Return production's current partitions; None if the target maps none, or if they cannot be read."""
    models = migration_facts.of(context).target.models
    if models is None or not any(table.partitioned for table in models.tables):
        return None
    try:
        return partitions_of(context.database)
    except (RunbookError, IndexError):
        return None


def _trial(context: Context, known: Schema, copy: SchemaCopy) -> "TrialResult | None":
    """Return the trial of the range on a copy, of the release to deploy or else the failed one; None if no range."""
    from runbook.chapters.evidence.schema_trial import tried  # noqa: PLC0415 - as above

    if known.way is None or known.failed is None or known.failed.span is None:
        return None
    deploying = context.incident.facts.release_to_deploy
    return tried(context, copy, None if deploying else _validated_catalog(context, known))


def _validated_catalog(context: Context, known: Schema) -> Sequence[tuple[str, ...]] | None:
    """Return the catalog from the target's validation, if that was at the target's head; None if there is none."""
    try:
        kept = context.ledger.snapshot_at(pinned_release(context), known.target.heads)
    except RunbookError:
        return None
    return kept.catalog if kept is not None else None


def _on_copy(
    context: Context, known: Schema, trial: "TrialResult", without: Callable[["SchemaDelta"], None] | None
) -> Iterator[Finding]:
    """Yield the copy's findings: on what the upgrade ran there, by the same rules, and on refused target statements."""
    if trial.upgrade_sql is not None:
        from runbook.migrations.server_log import tables_read, with_unrun  # noqa: PLC0415 - loads PostgreSQL's grammar
        from runbook.migrations.verdict.judge import as_it_is, judge  # noqa: PLC0415 - the same

        own, parts = bookkeeping(context.settings.database), _partitions(context)
        models, leaves_out, sql = known.target.models, without or as_it_is, trial.upgrade_sql
        steps = known.failed.steps[::-1] if known.failed else ()
        read, written = dict.fromkeys(map(str, tables_read(sql, own)), "read its rows"), _written(steps)
        if any(step.upgrade.counts_rows for step in steps):
            read["rows"] = "count the rows they changed"
        if read and written is not None:
            sql = with_unrun(sql, written)
        for each in judge(sql, models, bookkeeping=own, partitions=parts, without=leaves_out).findings:
            yield replace(each, source=Source.COPY, place=0)  # the place is not one in the image's SQL
        for name, how in read.items():
            reason = f"the migrations {how}, and their effect depends on that"
            if written is not None:
                reason = f"the migrations {how}; all SQL that they might run was judged"
            yield Finding(REVIEW if written is None else ADDITIVE, "", name, reason, source=Source.COPY)
    for refused in trial.breaks[:_MOST_TOLD]:
        yield _of_refused(BREAKING, refused.statement.sql, refused.statement.table, refused.message)
    for refused in trial.doubtful[:_MOST_TOLD]:
        yield _of_refused(REVIEW, refused.statement.sql, refused.statement.table, refused.message)


def _written(steps: Sequence[Migration]) -> list[str] | None:
    """Return all SQL in the source of upgrades; None if they may run other SQL."""
    found = [step.upgrade.sql for step in steps]
    return None if None in found else [text for each in found for text in each or ()]


def _of_refused(verdict: Verdict, sql: str, table: str, message: str) -> Finding:
    from runbook.migrations.verdict.statements import shortened  # noqa: PLC0415 - loads PostgreSQL's grammar

    reason = shortened(f"on the current schema PostgreSQL says: {message}", 400)
    return Finding(verdict, shortened(sql), shortened(table, 140), reason, source=Source.MODELS)


def _told(trial: "TrialResult", by_sql: Iterable[Finding], on_copy: Iterable[Finding]) -> Iterator[str]:
    """Yield sentences on the trial. They do not depend on its duration, or on the run that made it."""
    back = (
        f"the downgrade does not lead back: {trial.no_way_back}"
        if trial.no_way_back
        else "the round trip restored the schema"
    )
    yield f"tried on a copy of the schema: {trial.passed} statements of the target's code were accepted; {back}"
    if trial.apart is not None:
        more = len(trial.apart) - _FEW
        few = "; ".join([*trial.apart[:_FEW], *([f"{more} more"] if more > 0 else [])])
        was = "the schema that the target was validated with"
        yield f"the downgrade restores {was}" if not few else f"the downgrade does not restore {was}: {few}"
    sql = worst(each.verdict for each in by_sql if each.source is not Source.NOTHING)
    copy = worst(each.verdict for each in on_copy)
    if any(each.source is Source.NOTHING for each in by_sql):
        if trial.upgrade_sql is not None:
            yield f"no SQL could be read from the image; the SQL run on the copy decides: {copy}"
    elif copy is not sql and trial.upgrade_sql is not None:
        yield f"the SQL says {sql}, the copy says {copy}: the worse counts"
