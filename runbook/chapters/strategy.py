"""The strategy and its reasons: from the verdict on the migrations, or from a person's decision."""

from functools import partial
from typing import TYPE_CHECKING, Any

from runbook.actions import Action, Check, Observation, Question, left_out
from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.evidence.judged import Judged, judged, ran_instead
from runbook.chapters.evidence.schema_copy import SchemaCopy
from runbook.chapters.migrating.schema_revisions import is_own, no_own_downgrade, revisions, unchecked
from runbook.chapters.startup import check
from runbook.chapters.target import pinned_release
from runbook.errors import Inconclusive, TargetError
from runbook.incident.facts import BeginAnew, Strategy
from runbook.incident.schema_facts import VerdictFact
from runbook.migrations.verdict.findings import Assessment, Verdict
from runbook.production.service.health import Health
from runbook.settings.absent import Absent

if TYPE_CHECKING:  # loads PostgreSQL's grammar, which is slow and would delay the first step
    from runbook.chapters.evidence.bridging import Proposal


def record_decision(context: Context) -> Check:
    """Check that one strategy applies, and record it. If only a person can decide, fail with the decision to make."""
    if absent := unchecked(context):
        return _without_migrations(context, absent)

    def observe() -> Observation:
        if migration_facts.decided(context):
            return _decided_before(context)
        return _forward(context) if context.options.forward_fix else _by_verdict(context)

    if migration_facts.decided(context):
        moved = "somebody migrated the database meanwhile: find out who, then start a new incident without --resume"
        return Check("a verdict that decides the strategy", observe, moved, acceptable=False)
    if context.options.forward_fix:
        other = "name a release whose migrations continue the database's revision, or leave --forward-fix out"
        return Check("a forward-fix that continues the database's revision", observe, other, acceptable=False)
    if is_own(context) and (lacks := no_own_downgrade(context)):
        # The next step does not offer `--verdict breaking`, because without a downgrade that would fail.
        return Check(
            "a verdict that decides the strategy",
            observe,
            f"{lacks}, so the schema cannot be downgraded: set them. Or, if the target works with the current schema:"
            ' --verdict additive --because "why it is so"',
            acceptable=False,
        )
    forward = ", or --forward-fix TAG" if _may_go_forward(context) else ""
    if context.options.strategy:
        other = "leave --strategy out, so that the verdict decides; or name a release with a fix: --forward-fix TAG"
        return Check("a bridge that was tried on a copy of the schema", observe, other, acceptable=False)
    return Check(
        "a verdict that decides the strategy",
        observe,
        'read the statements, then decide: --verdict breaking --because "why it is so" (or --verdict additive, if the'
        f" target works with them){forward}",
        decided_by=("--verdict", Verdict.BREAKING, "--because", "why it is so"),
    )


def _may_go_forward(context: Context) -> bool:
    """Return whether a forward-fix is possible: not with the application's own commands, nor before a deploy."""
    return not is_own(context) and context.incident.facts.release_to_deploy is None


def _by_verdict(context: Context) -> Observation:
    """Judge the migrations and record the verdict's strategy, or the bridge that a person chose."""
    known = migration_facts.of(context)
    all_evidence, proposal, left = _all_evidence(context)
    found = all_evidence.assessment
    verdict, evidence = found.verdict, [*found.evidence, *all_evidence.sources, *left]
    option: tuple[str, ...] = ()
    if verdict is Verdict.REVIEW and context.options.verdict:
        verdict = Verdict(context.options.verdict)
        option = ("--verdict", verdict)
        evidence.insert(0, f"decided by a human: {context.options.because}")
    before = context.incident.facts.release_to_deploy
    at = f"{before.tag} would bring the database to" if before else "the database is at"
    evidence.append(f"{at} {', '.join(known.database)}; the target expects {', '.join(known.target.heads)}")
    fact = VerdictFact(
        verdict=verdict,
        evidence=tuple(evidence),
        no_way_back=all_evidence.no_way_back,
        no_bridge=proposal.why_not if proposal else "",
        forward_fix=_may_go_forward(context),
        **ran_instead(context, all_evidence),
    )
    context.incident.record_fact("verdict", fact)
    text, findings = "Can the target's code live with the database's schema?", _told(found, known.upgrade_sql)
    context.incident.record_decision(Question.VERDICT, text, verdict, evidence, option=option, findings=findings)
    if proposal and proposal.bridge:
        context.incident.record_fact("bridge", proposal.bridge)
    strategies = {Verdict.BREAKING: Strategy.DOWNGRADE, Verdict.REVIEW: None}
    strategy = strategies.get(verdict, Strategy.IMAGE_ONLY)
    if proposal and context.options.strategy and strategy is not Strategy.IMAGE_ONLY:
        return _bridged(context, proposal)
    if strategy is not None:
        context.incident.record_fact("strategy", strategy)
    told = f"verdict {verdict}: {'; '.join(evidence)}{_asked_earlier(all_evidence, proposal)}"
    return Observation(strategy is not None, told, final=True)


def _asked_earlier(judged: Judged, proposal: "Proposal | None") -> str:
    """Return, in words, the earlier runs whose trials count here. A plan and its execution have one verdict."""
    tried = {
        "the schema": judged.trial.by if judged.trial else "",
        "the bridge": proposal.by if proposal else "",
    }
    return "".join(f"; {what} was tried in run {run}" for what, run in tried.items() if run)


def _all_evidence(context: Context) -> tuple[Judged, "Proposal | None", list[str]]:
    """Return the verdict, a bridge proposal if the target cannot use the schema, and why the copy was not removed.

    The last is empty if it was. One copy of the schema serves both, and production gets each query only once.
    """
    copy, proposal = context.incident.ahead.found(SchemaCopy, partial(SchemaCopy, context)), None
    with context.database.remembering(), copy.removed_afterwards():
        found = judged(context, copy)
        if found.assessment.verdict in {Verdict.BREAKING, Verdict.REVIEW}:
            from runbook.chapters.evidence.bridging import proposed  # noqa: PLC0415 - as above

            proposal = proposed(context, found, copy)
    return found, proposal, [copy.left] if copy.left else []


def _bridged(context: Context, proposal: "Proposal") -> Observation:
    """Choose the bridge that a person asked for, if there is one."""
    found = proposal.bridge
    seen = "; ".join(found.told) if found else f"no bridge is possible: {proposal.why_not}"
    why = f"decided by a human: {context.options.because}"
    context.incident.record_decision(
        Question.BRIDGE, "May the schema be relaxed for the target?", "yes" if found else "there is no bridge",
        [why, *(found.told if found else (proposal.why_not,))], option=("--strategy", Strategy.BRIDGE),
    )  # fmt: skip
    if found:
        context.incident.record_fact("strategy", Strategy.BRIDGE)
    return Observation(found is not None, seen, final=True)


def _without_migrations(context: Context, absent: Absent) -> Check:
    """Check that the settings or a person allow rolling back only the application, without checking migrations."""
    told = "permission to roll back without checking migrations"

    def observe() -> Observation:
        if context.incident.facts.strategy is Strategy.IMAGE_ONLY:
            return Observation(ok=True, seen="only the application is rolled back, as decided before")
        declared, person = absent is Absent.MIGRATIONS, context.options.no_migrations
        if context.options.forward_fix:
            return Observation(
                ok=False, seen=f"a forward-fix is judged by its migrations, and {absent.told}", final=True
            )
        why = [f"decided by a human: {context.options.because}"] if person else []
        goes = declared or person
        option = ("--no-migrations",) if person and not declared else ()
        context.incident.record_decision(
            Question.NO_MIGRATIONS, "May the application be rolled back without checking migrations?",
            "yes" if goes else "nobody has said so", [*why, absent.told], option=option,
        )  # fmt: skip
        if goes:
            context.incident.record_fact("strategy", Strategy.IMAGE_ONLY)
        return Observation(bool(goes), "; ".join([*why, absent.told]), final=True)

    if context.options.forward_fix:
        return Check(told, observe, "deploy that release with --to TAG, and migrate by hand", acceptable=False)
    return Check(
        told,
        observe,
        'if the target works with the current schema: --no-migrations --because "how you know"; or add [database]'
        " to the settings, so that the migrations are checked",
        decided_by=("--no-migrations", "--because", "how you know"),
    )


def _told(found: Assessment, sql: str) -> list[dict[str, Any]]:
    """Return the findings for the record, with statement, revision and rule. The findings that decided come first."""
    if not any(finding.statement for finding in found.findings):
        return []
    from runbook.migrations.verdict.statements import revisions_of  # noqa: PLC0415 - loads PostgreSQL's grammar

    of_places = revisions_of(sql)
    return [
        {
            "verdict": finding.verdict,
            "revision": of_places.get(finding.place),
            "sql": finding.statement,
            "object": finding.object,
            "rule": finding.reason,
            "times": finding.times,
            "source": finding.source,
        }
        for finding in sorted(found.findings, key=lambda finding: finding.verdict is not found.verdict)
    ]


def _decided_before(context: Context) -> Observation:
    """Compare the strategy that an earlier run of this incident decided with the database's current revision."""
    known, strategy = migration_facts.of(context), context.incident.facts.strategy
    now = context.incident.facts.revisions_found_again or ()
    expected = {known.database}
    if strategy in (Strategy.DOWNGRADE, Strategy.FORWARD_FIX):
        expected.add(tuple(known.target.heads))
    # Revisions are undone or applied one by one, so a migration can stop between two of them.
    images = {Strategy.DOWNGRADE: known.failed, Strategy.FORWARD_FIX: known.target}
    passed = images.get(strategy) if strategy else None
    if passed is not None and passed.span is not None:
        expected |= {(step.revision,) for step in passed.span.steps}
    seen = f"the strategy is {strategy}, as decided before; the database is at {', '.join(now)}"
    known_there = set(now) in [set(each) for each in expected]
    if not known_there:
        why = f"somebody migrated the database since this incident was interrupted: it is at {', '.join(now)}"
        context.incident.record_fact("begin anew", BeginAnew(why=why))
    return Observation(known_there, seen, final=True)


def _forward(context: Context) -> Observation:
    known = migration_facts.of(context)
    at = ", ".join(known.database)
    continues = known.target.continues(*known.database)
    seen = f"its migrations {'continue' if continues else 'do not continue'} the database's revision {at}"
    text = "Does the forward-fix continue the database's revision?"
    context.incident.record_decision(Question.FORWARD_FIX, text, "yes" if continues else "no", [seen])
    if continues:
        context.incident.record_fact("strategy", Strategy.FORWARD_FIX)
    return Observation(continues, f"{context.options.forward_fix}: {seen}", final=True)


def backward_compatible(context: Context) -> Check:
    """Check that by the verdict the target's code can run on the current schema: unchanged or additive."""
    if absent := unchecked(context):
        return left_out("a verdict of unchanged or additive", absent)
    judged = context.incident.facts.verdict
    verdict = judged.verdict if judged else "unknown"
    compatible = verdict in (Verdict.UNCHANGED, Verdict.ADDITIVE)
    return Check(
        "a verdict of unchanged or additive",
        lambda: Observation(compatible, f"the verdict is {verdict}"),
        "plan again, so that the migrations are judged again",
        acceptable=False,
    )


def starts_on_newer_schema(context: Context) -> Check:
    """Check that the target can start on a schema newer than it knows. If the schema is not newer, this passes."""
    if absent := unchecked(context):
        return left_out("a target that can start on the schema", absent)
    if migration_facts.of(context).same:
        return Check("a target that can start", lambda: Observation(ok=True, seen="the target knows this schema"), "")
    return check.migrates_not_at_start(context, pinned_release(context))


def ready(context: Context, health: Health | None = None) -> Check:
    """Check that the api is ready, by the rule for this schema (trap 4), and record the rule.

    `health` is that of only the target's containers while the failed release runs beside them. The default is all.
    """
    may_be_false, evidence = readiness_rule(context, of_target=health is not None)
    if evidence:
        answer = f"all but {', '.join(may_be_false)}" if may_be_false else "everything that it names"
        text = "What must be true for the api to be ready?"
        context.incident.record_decision(Question.READINESS, text, answer, evidence)
    return (health or context.health).check_ready(may_be_false)


def readiness_rule(context: Context, *, of_target: bool = False) -> tuple[tuple[str, ...], list[str]]:
    """Return the parts of readiness that may be false now (trap 4), and the evidence. A plan has no evidence yet.

    The parts that only report a newer schema may be false if the database is at a revision that the running image does
    not know, and this incident's verdict, its bridge or the ledger says that the release can live with that. With
    `of_target`, the target's image counts, because the failed release's runs beside it.
    """
    facts, health, absent = context.incident.facts, context.settings.health, unchecked(context)
    if absent or health is None or health.readiness != "json":
        # A status, or the container's health, has no parts.
        return (), [absent.told] if absent else []
    behind, bridged = health.behind_schema_may_be_false, facts.strategy is Strategy.BRIDGE
    additive = facts.verdict is not None and facts.verdict.verdict == Verdict.ADDITIVE
    if context.incident.planned_changes:
        return (behind if bridged or (additive and facts.strategy is Strategy.IMAGE_ONLY) else ()), []
    try:
        target = migration_facts.of(context).target if of_target else None
        database, image = context.host.retry(
            lambda: (revisions(context), target or migration_facts.ask_running(context))
        )
        unknown = [revision for revision in database if not image.knows(revision)]
        heads = ", ".join(image.heads)
    except Inconclusive as error:
        return (), [f"unknown whether the schema is newer: {error.seen}"]
    at = f"the database is at {', '.join(database)}; the running image's head is {heads}"
    if not unknown:
        return (), [at]
    tag = context.production.tag()
    if bridged or additive or context.ledger.validated_with(tag, database):
        word = "the verdict of this incident" if additive else f"the ledger ({tag} was validated with this schema)"
        word = "the trial of the bridge" if bridged else word
        return behind, [at, f"{word} shows that the code works with this schema"]
    return (), [at, "no evidence that the code works with this schema"]


def restore_point_taken(context: Context) -> Action:
    """Take a restore point, unless nothing is left to be destroyed or a good one exists."""
    return context.restore_point.taking(lambda: migration_facts.reached(context))


def restore_point_read_back(context: Context) -> Check:
    """Check that the restore point is whole and has the data of every table."""
    return context.restore_point.reads_back(tuple(context.database.tables()), lambda: migration_facts.reached(context))


def checked_verdict(verdict: str | None, because: str | None) -> str | None:
    """Return a person's verdict, or None. Raises TargetError when it is not a verdict, or has no reason."""
    if verdict is None:
        return None
    if verdict not in (Verdict.ADDITIVE, Verdict.BREAKING) or not (because or "").strip():
        raise TargetError(
            f"--verdict {verdict}{'' if because else ' without --because'}",
            'type --verdict breaking --because "why you know", or --verdict additive with its reason',
        )
    return verdict
