"""Which recovery applies and why, for the last lines; or that production is held, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbook.actions import Outcome
from runbook.incident.facts import Way
from runbook.report.timeline import Sentence

#: As many sentences of evidence as the last lines show; the record has them all.
_SHOWN = 4


def recovery_lines(facts: Mapping[str, Any], stopped: Sentence | None) -> list[str]:
    """The recovery that follows from the facts of an incident that changed nothing, and the evidence for it.

    `stopped` is the sentence at which it stopped, None when it came to its end.
    """
    if stopped is None:
        return _applies(facts)
    # What would have been done is no advice any more.
    applies = _applies(facts)
    considered = ["what was considered:", *(f"  {line}" for line in applies)] if applies else []
    return [*considered, *_held(stopped)]


def _applies(facts: Mapping[str, Any]) -> list[str]:
    if "switch" in facts:
        switch = facts["switch"]
        turned = f"{switch['variable']}={switch['value']}"
        return [f"recovery: the switch {switch['name']} is turned ({turned}); release and schema stay as they are"]
    way, verdict = facts.get("way"), facts.get("verdict", {})
    tag, at, head = facts.get("target", {}).get("tag"), _joined(facts.get("schema")), _head(facts)
    if way == Way.FORWARD_FIX:
        reason = f"because it was asked for, and its migrations continue the database's revision {at}"
        return [f"way: forward to {tag}; the schema is migrated on to {head}", f"  {reason}", *_loss(facts)]
    back = {
        Way.APPLICATION: f"way back: the application alone, to {tag}; the schema stays at {at}",
        Way.DOWNGRADE: f"way back: the schema is downgraded from {at} to {head}, then the application goes to {tag}",
    }
    lines = [back[Way(way)]] if way else []
    if verdict:
        lines.append(f"  because the verdict on the migrations is {verdict['verdict']}:")
        lines += _shown(verdict["evidence"])
    return lines + (_loss(facts) if way == Way.DOWNGRADE else [])


def _loss(facts: Mapping[str, Any]) -> list[str]:
    if "loss" not in facts:
        return []
    if not facts["loss"]:
        return ["  that destroys nothing that the database holds; a restore point is taken before"]
    what = "downgrade" if facts["way"] == Way.DOWNGRADE else "forward-fix"
    return [f"  the {what} destroys, with a restore point taken before:", *_shown(facts["loss"])]


def _held(stopped: Sentence) -> list[str]:
    seen, _, missing = stopped.detail.partition(" → ")
    if stopped.outcome == Outcome.INTERRUPTED:
        return [f"stopped at: {stopped.keyword} {stopped.text}"]
    helps = [f"  what helps: {missing}"] if missing else []
    return [f"production is held as it is, at: {stopped.keyword} {stopped.text}", f"  {seen}", *helps]


def _shown(evidence: Sequence[str]) -> list[str]:
    more = len(evidence) - _SHOWN
    left_out = [f"    - and {more} more, in the record"] if more > 0 else []
    return [*(f"    - {sentence}" for sentence in evidence[:_SHOWN]), *left_out]


def _joined(revisions: Sequence[str] | None) -> str:
    return ", ".join(revisions or ()) or "no revision"


def _head(facts: Mapping[str, Any]) -> str:
    graph = facts.get("target migrations", {}).get("graph") or {}
    return _joined(graph.get("heads"))
