"""The pick list: the first candidates, with their age, their evidence and the objections to each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from runbook.chapters.choosing.levels import Level
from runbook.targets.asking import Answer
from runbook.targets.ranking import Ranked
from runbook.targets.selection import SHOWN
from runbook.text import one_line

#: Seconds by which clocks may differ.
_CLOCKS_DIFFER = 300


def members(listed: Sequence[Ranked], answers: Sequence[Answer], before: Level | None) -> dict[str, Any]:
    """Return the list's members in the journal: the candidates shown, the sources, and the level before the deploy."""
    level = (
        {"revisions": list(before.revisions), "from": before.origin, "evidence": before.evidence} if before else None
    )
    return {
        "candidates": [_candidate(number, one, before) for number, one in enumerate(listed[:SHOWN], 1)],
        "sources": [
            {"source": each.source, "found": len(each.found), "left_out": each.remarks, "down": each.down or None}
            for each in answers
        ],
        **({"level_before": level} if level else {}),
    }


def _candidate(number: int, one: Ranked, before: Level | None) -> dict[str, Any]:
    same = None if before is None or one.level is None else set(one.level) == set(before.revisions)
    return {
        "number": number,
        "tag": one.tag,
        "kind": one.best.kind,
        "time": one.time.isoformat(timespec="seconds").replace("+00:00", "Z") if one.time else None,
        "digests": dict(one.digests),
        "evidence": [one_line(each.evidence) for each in one.known],
        "against": [{"against": each.against, "why": one_line(each.why), "bars": each.bars} for each in one.objections],
        "level": list(one.level) if one.level is not None else None,
        "level_as_before": same,
    }


def told(found: Mapping[str, Any]) -> list[str]:
    """Return the list in words, from its members in the journal, with the sources that could not be asked."""
    lines = ["candidates (--to takes a tag or a number of this list):"]
    for each in found["candidates"]:
        lines.append(f"  {each['number']}. {each['tag']}, {each['kind']}{_when(each['time'])}{_level(each)}")
        lines += [f"     {evidence}" for evidence in each["evidence"]]
        lines += [f"     against it: {objection['why']}" for objection in each["against"]]
    if before := found.get("level_before"):
        lines.append(f"  level before the failed deploy: {', '.join(before['revisions'])} ({before['evidence']})")
    for each in found["sources"]:
        asked = "READ IN PART" if each["found"] else "NOT READ"
        lines += [f"  {asked}: {each['source']}: {each['down']}"] if each["down"] else []
        lines += [f"  {each['source']}: {remark}" for remark in each["left_out"]]
    return lines


def _when(time: str | None) -> str:
    if time is None:
        return ", age unknown"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
    if seconds < -_CLOCKS_DIFFER:
        return f", dated in the future, check the clocks ({time[:16].replace('T', ' ')} UTC)"
    seconds = max(seconds, 0.0)
    unit, size = next(((unit, size) for unit, size in (("d", 86400), ("h", 3600)) if seconds >= size), ("min", 60))
    return f" {seconds / size:.0f} {unit} ago ({time[:16].replace('T', ' ')} UTC)"


def _level(each: Mapping[str, Any]) -> str:
    if each["level"] is None:
        return ", migrations level unknown"
    as_before = ", as before the failed deploy" if each["level_as_before"] else ""
    return f", migrations level {', '.join(each['level']) or 'none'}{as_before}"
