"""Which strategy applies, and why: the verdict on the migrations, or what a human decided in its place."""

from typing import Any

from runbook.actions import Action, Check, Observation, Question
from runbook.chapters import migration_facts, startup_check
from runbook.chapters.context import Context
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive, TargetError
from runbook.incident.facts import Strategy
from runbook.migrations.verdict.findings import Assessment, Finding, Verdict
from runbook.migrations.verdict.table_names import bookkeeping


def assess(context: Context) -> Assessment:
    """Judge the range from the target's head to the database's revision as one net change."""
    known = migration_facts.of(context)
    at, head = ", ".join(known.database), ", ".join(known.target.heads)
    if known.same:
        return Assessment(Verdict.UNCHANGED, ())
    failed = known.failed
    if failed is None or failed.upgrade is None or failed.upgrade.sql is None:
        why = failed.why("upgrade") if failed else "the failed release's image was not asked"
        if failed and failed.span is None:
            why = failed.why("span")
        reason = f"the SQL from {head} to {at} could not be read from the failed release's image: {why}"
        return Assessment(Verdict.REVIEW, (Finding(Verdict.REVIEW, "", "", reason),))
    # PostgreSQL's grammar takes a while to load, and the first step is waited for.
    from runbook.migrations.verdict.judge import judge  # noqa: PLC0415

    return judge(failed.upgrade.sql, known.target.models, bookkeeping=bookkeeping(context.settings.database))


def record_decision(context: Context) -> Check:
    """That one strategy applies. What only a human can tell stops here, with what must be decided."""

    def observe() -> Observation:
        if migration_facts.decided(context):
            return _decided_before(context)
        if context.options.forward_fix:
            return _forward(context)
        found, known = assess(context), migration_facts.of(context)
        verdict, evidence = found.verdict, list(found.evidence)
        option: tuple[str, ...] = ()
        if verdict is Verdict.REVIEW and context.options.verdict:
            verdict = Verdict(context.options.verdict)
            option = ("--verdict", verdict)
            evidence.insert(0, f"decided by a human: {context.options.because}")
        evidence.append(
            f"the database is at {', '.join(known.database)}; the target expects {', '.join(known.target.heads)}"
        )
        context.incident.record_fact("verdict", {"verdict": verdict, "evidence": evidence})
        text, findings = "Can the target's code live with the database's schema?", _told(found, known.upgrade_sql)
        context.incident.record_decision(Question.VERDICT, text, verdict, evidence, option=option, findings=findings)
        strategies = {Verdict.BREAKING: Strategy.DOWNGRADE, Verdict.REVIEW: None}
        strategy = strategies.get(verdict, Strategy.IMAGE_ONLY)
        if strategy is not None:
            context.incident.record_fact("strategy", strategy)
        return Observation(strategy is not None, f"verdict {verdict}: {'; '.join(evidence)}", final=True)

    if migration_facts.decided(context):
        moved = "somebody migrated the database meanwhile: find out, then begin anew without --resume"
        return Check("a verdict that decides the strategy", observe, moved, acceptable=False)
    if context.options.forward_fix:
        other = "name a release whose migrations continue the database's, or leave --forward-fix out"
        return Check("a forward-fix that can go on from here", observe, other, acceptable=False)
    return Check(
        "a verdict that decides the strategy",
        observe,
        'read the statements, then decide: --verdict breaking --because "why it is so" (or --verdict additive, if the'
        " target can live with them), or --forward-fix TAG",
        decided_by=("--verdict", Verdict.BREAKING, "--because", "why it is so"),
    )


def _told(found: Assessment, sql: str) -> list[dict[str, Any]]:
    """The findings for the record: which statement of which revision says what by which rule; the worst first."""
    if not any(finding.statement for finding in found.findings):
        return []
    from runbook.migrations.verdict.statements import revisions_of  # noqa: PLC0415 - loads PostgreSQL's grammar

    revisions = revisions_of(sql)
    return [
        {
            "verdict": finding.verdict,
            "revision": revisions.get(finding.place),
            "sql": finding.statement,
            "object": finding.object,
            "rule": finding.reason,
            "times": finding.times,
        }
        for finding in sorted(found.findings, key=lambda finding: finding.verdict is not found.verdict)
    ]


def _decided_before(context: Context) -> Observation:
    """Hold the way that an earlier run of this incident decided on against where the database is by now."""
    known, strategy = migration_facts.of(context), str(context.incident.facts["strategy"])
    now = tuple(context.incident.facts["schema found again"])
    expected = {known.database}
    if strategy in (Strategy.DOWNGRADE, Strategy.FORWARD_FIX):
        expected.add(tuple(known.target.heads))
    # Each revision is undone, or applied, for itself, so either way can stop between two of them.
    passed = {Strategy.DOWNGRADE: known.failed, Strategy.FORWARD_FIX: known.target}.get(Strategy(strategy))
    if passed is not None and passed.span is not None:
        expected |= {(step.revision,) for step in passed.span.steps}
    seen = f"the strategy is {strategy}, as decided before; the database is at {', '.join(now)}"
    known_there = set(now) in [set(each) for each in expected]
    if not known_there:
        why = f"somebody migrated the database since this incident broke off: it is at {', '.join(now)}"
        context.incident.record_fact("begin anew", {"why": why, "options": []})
    return Observation(known_there, seen, final=True)


def _forward(context: Context) -> Observation:
    known = migration_facts.of(context)
    at = ", ".join(known.database)
    continues = known.target.continues(*known.database)
    seen = f"its migrations {'continue' if continues else 'do not continue'} the database's revision {at}"
    text = "Can the forward-fix go on from here?"
    context.incident.record_decision(Question.FORWARD_FIX, text, "yes" if continues else "no", [seen])
    if continues:
        context.incident.record_fact("strategy", Strategy.FORWARD_FIX)
    return Observation(continues, f"{context.options.forward_fix}: {seen}", final=True)


def backward_compatible(context: Context) -> Check:
    """The verdict lets the target's code run on the schema as it is: unchanged, or additive."""
    verdict = context.incident.facts.get("verdict", {}).get("verdict", "unknown")
    compatible = verdict in (Verdict.UNCHANGED, Verdict.ADDITIVE)
    return Check(
        "a verdict of unchanged or additive",
        lambda: Observation(compatible, f"the verdict is {verdict}"),
        "plan again, so that the migrations are judged anew",
        acceptable=False,
    )


def starts_on_newer_schema(context: Context) -> Check:
    """The target starts on a schema that is newer than it knows; where it is not newer there is nothing to look at."""
    if migration_facts.of(context).same:
        return Check(
            "a target that can start", lambda: Observation(ok=True, seen="the schema is one that it knows"), ""
        )
    return startup_check.migrates_not_at_start(context, pinned_release(context))


def ready(context: Context) -> Check:
    """That the api is ready, by the rule that holds on this schema (trap 4); the rule goes on record."""
    return context.health.check_ready(readiness_rule(context))


def readiness_rule(context: Context) -> tuple[str, ...]:
    """Which parts of readiness may be false now (trap 4); the rule and what it rests on go into the record.

    Those that only say that the schema is newer, where the database is at a revision that the running image does not
    know, and the verdict of this incident, or the ledger, says that the release can live with it.
    """
    facts, behind = context.incident.facts, context.settings.health.behind_schema_may_be_false
    additive = facts.get("verdict", {}).get("verdict") == Verdict.ADDITIVE
    if context.incident.planned_changes:
        return behind if additive and facts.get("strategy") == Strategy.IMAGE_ONLY else ()
    try:
        database, image = context.host.retry(
            lambda: (context.database.revisions(), migration_facts.ask_running(context))
        )
        unknown = [revision for revision in database if not image.knows(revision)]
        heads = ", ".join(image.heads)
    except Inconclusive as error:
        return _ruled(context, (), f"whether the schema is newer is not known: {error.seen}")
    at = f"the database is at {', '.join(database)}; the running image's head is {heads}"
    if not unknown:
        return _ruled(context, (), at)
    tag = context.production.tag()
    if additive or context.ledger.validated_with(tag, database):
        word = "the verdict of this incident" if additive else f"the ledger, where {tag} passed with this schema,"
        return _ruled(context, behind, at, f"{word} says that its code can live with that")
    return _ruled(context, (), at, "nothing says that its code can live with that")


def _ruled(context: Context, may_be_false: tuple[str, ...], *evidence: str) -> tuple[str, ...]:
    answer = f"all but {', '.join(may_be_false)}" if may_be_false else "everything that it names"
    text = "What must be true for the api to be ready?"
    context.incident.record_decision(Question.READINESS, text, answer, list(evidence))
    return may_be_false


def restore_point_taken(context: Context) -> Action:
    """The change that takes a restore point, unless nothing is left to be destroyed, or a good one is there."""
    return context.restore_point.taking(lambda: migration_facts.reached(context))


def restore_point_read_back(context: Context) -> Check:
    """That this restore point is whole, and has the data of every table."""
    return context.restore_point.reads_back(tuple(context.database.tables()), lambda: migration_facts.reached(context))


def checked_verdict(verdict: str | None, because: str | None) -> str | None:
    """A human's verdict, when it is one and comes with a reason. Raises TargetError otherwise."""
    if verdict is None:
        return None
    if verdict not in (Verdict.ADDITIVE, Verdict.BREAKING) or not (because or "").strip():
        raise TargetError(
            f"--verdict {verdict}{'' if because else ' without --because'}",
            'type --verdict breaking --because "why you know", or --verdict additive with its reason',
        )
    return verdict
