"""Findings that a database settles: rows of production, and the target's statements on a copy of its schema."""

from collections.abc import Iterable
from dataclasses import replace

from runbook.chapters.context import Context
from runbook.errors import RunbookError
from runbook.migrations.database import literal, quoted
from runbook.migrations.verdict.findings import ADDITIVE, REVIEW, Asks, Finding, Source

_COUNTING = "SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '2s';"
# The last number from an identity column's own sequence. An older sequence may belong to the column too.
_LAST_NUMBER = """
SELECT coalesce(pg_sequence_last_value(s.seqrelid::regclass), s.seqstart - 1)
FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'i'
  AND d.refobjid = {table}::regclass AND a.attname = {column}
"""
_MOST_ASKED = 20  # findings for which production's database is queried
_MANY = 1000  # rows are counted up to this; this many show what the code writes


def settled_on_copy(
    findings: Iterable[Finding], taken: frozenset[str], mapped: frozenset[str], placed: frozenset[str] = frozenset()
) -> list[Finding]:
    """Return the findings, with the copy's answer in those that depend on it.

    `taken` are the `mapped` tables for which the copy accepted every statement of the target. `placed` are the
    partitions whose rows all have a place in others.
    """
    return [_settled(finding, taken, mapped, placed) for finding in findings]


def _settled(finding: Finding, taken: frozenset[str], mapped: frozenset[str], placed: frozenset[str]) -> Finding:
    asks = finding.asks
    if asks is None or finding.verdict is not REVIEW:
        return finding
    if asks.part and f"{asks.schema or 'public'}.{asks.table}" in placed:
        reason = f"{finding.reason}; other partitions accept all of its rows"
        return replace(finding, reason=reason, asks=replace(asks, none=ADDITIVE))
    if not asks.copy:
        return finding
    wanted = {f"{asks.schema}.{asks.table}" if asks.schema else asks.table} if asks.table else mapped
    if not wanted or not wanted <= taken:
        return finding
    reason = f"{finding.reason}; a copy of the schema accepts every statement of the target's code"
    return replace(finding, verdict=ADDITIVE, reason=reason, source=Source.MODELS, asks=None)


def asked(context: Context, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, with production's answer in those that its rows can settle."""
    answered, count = [], 0
    for finding in findings:
        if finding.asks is None or finding.asks.copy or finding.verdict is not REVIEW or count >= _MOST_ASKED:
            answered.append(finding)
            continue
        count += 1
        answered.append(_answered(context, finding, finding.asks))
    return answered


def _answered(context: Context, finding: Finding, asks: Asks) -> Finding:
    try:
        rows = _count(context, asks, _where(asks))
        many = asks.practice and rows == 0 and _count(context, asks, "true") >= _MANY
    except (RunbookError, ValueError, IndexError):
        return finding
    if rows:
        shown = f"{'at least ' if rows >= _MANY else ''}{rows}"
        reason = f"{finding.reason}; production has such rows: {shown}"
        return replace(finding, verdict=asks.some, reason=reason, source=Source.ROWS)
    if many:
        reason = f"{finding.reason}; none of production's rows ({_MANY} or more) does"
        return replace(finding, verdict=ADDITIVE, reason=reason, source=Source.ROWS)
    if asks.none is REVIEW:
        return finding
    reason = f"{finding.reason}; production has no such row now"
    return replace(finding, verdict=asks.none, reason=reason, source=Source.ROWS)


def _where(asks: Asks) -> str:
    """Return the SQL condition of the rows to count."""
    column = quoted(asks.column)
    if asks.check:
        return f"NOT ({asks.check})"
    if asks.numbers:
        return f"{column} > ({_LAST_NUMBER.format(table=literal(_table(asks)), column=literal(asks.column))})"
    if asks.values:
        return f"{column}::text IN ({', '.join(map(literal, asks.values))})"
    return f"{column} IS NOT NULL"


def _count(context: Context, asks: Asks, where: str) -> int:
    found = f"SELECT 1 FROM {_table(asks)} WHERE {where} LIMIT {_MANY}"  # noqa: S608 - quoted
    query = f"{_COUNTING} SELECT count(*) FROM ({found}) found"  # noqa: S608 - as above
    return int(context.database.ask(query, deadline=10)[0][0])


def _table(asks: Asks) -> str:
    return ".".join(quoted(part) for part in (asks.schema or "public", asks.table))
