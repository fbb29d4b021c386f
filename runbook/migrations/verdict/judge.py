"""Whether the target's code can live with the schema that the failed release left.

The question: can the target's code go on reading and writing the tables that it maps, as an ORM does it (it selects
and inserts the columns that it maps, and leaves the others to the database)? docs/verdict.md has every rule.
"""

from collections.abc import Sequence

from runbook.migrations.image.mapped_models import Models
from runbook.migrations.image.report import ImageReport
from runbook.migrations.verdict.compat_tables import judge_tables
from runbook.migrations.verdict.ddl.dispatch import folded
from runbook.migrations.verdict.findings import Assessment, Finding, Verdict, concluded
from runbook.migrations.verdict.statements import shortened, statements_of
from runbook.migrations.verdict.table_names import BOOKKEEPING, Name

__all__ = ["Assessment", "Finding", "Verdict", "assess", "judge"]


def judge(
    upgrade_sql: str, models: Models | None, dialect: str = "postgresql", bookkeeping: Name = BOOKKEEPING
) -> Assessment:
    """Judge a range of migrations, given as the SQL of its upgrades, as one net change.

    `models` is what the target's code maps; None when that could not be read, and then much more is `review`.
    `bookkeeping` is the table in which Alembic keeps the database's revisions.
    Never raises for any SQL: what cannot be read is a finding of its own.
    """
    if dialect != "postgresql":
        if not upgrade_sql.strip():
            return concluded(())
        reason = f"only PostgreSQL's SQL has rules, and this is {shortened(dialect, 40)}"
        return concluded([Finding(Verdict.REVIEW, shortened(upgrade_sql), "SQL", reason)])
    net = folded(statements_of(upgrade_sql), bookkeeping)
    return concluded((*net.findings, *net.made.values(), *judge_tables(net, models)))


def assess(database: Sequence[str], target: ImageReport) -> Assessment:
    """Judge the database's revisions against those of the target's image, by sameness alone.

    Every difference is `review`, because unknown is never additive; `judge` can say more, given the SQL between them.
    """
    at = ", ".join(sorted(database))
    head = ", ".join(sorted(target.heads)) or "none"
    evidence = [f"the database is at revision {at}", f"the target's code expects {head}"]
    if set(database) == set(target.heads):
        return _because(Verdict.UNCHANGED, evidence)
    unknown = [revision for revision in sorted(database) if not target.knows(revision)]
    if unknown:
        evidence.append(f"the target's image has no revision {', '.join(unknown)}: the failed release brought it")
    else:
        evidence.append("the database is behind the target: its own migrations were never run, or were undone")
    return _because(Verdict.REVIEW, evidence)


def _because(verdict: Verdict, evidence: Sequence[str]) -> Assessment:
    return Assessment(verdict, tuple(Finding(verdict, "", "", step) for step in evidence))
