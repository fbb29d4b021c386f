"""The switch mode, decided before any change from the state of production and its gateway."""

from collections.abc import Sequence

from runbook.actions import Check, Question, recorded
from runbook.chapters.configuration.restored import to_restore
from runbook.chapters.context import Context
from runbook.chapters.target import pinned_release
from runbook.errors import RunbookError
from runbook.incident.facts import Strategy
from runbook.incident.production_facts import ObstacleFact, Switchover
from runbook.production.containers import Container, counts
from runbook.production.switchover.decision import (
    Circumstances,
    Decided,
    Memory,
    SwitchMode,
    decide,
)
from runbook.production.switchover.pair import Pair

_QUESTION = "How does the target replace the failed release?"
#: The memory that a target container may need, as a multiple of what the failed release's uses now.
_MORE = 1.5


def decided(context: Context) -> Check:
    """Decide the switch mode and record it with its reasons. Either mode passes."""
    return recorded("the switch mode on record", lambda: _decide(context))


def _decide(context: Context) -> str:
    incident, known = context.incident, context.incident.facts.switchover
    keeps = known is not None and not (context.options.close_gate_first and known.mode is SwitchMode.BESIDE)
    if known is not None and keeps and incident.changes_made:
        incident.confirm("switchover")
        return f"{known.mode}, as decided before"
    numbers, in_turn = _numbers(context)
    found = decide(_circumstances(context, tuple(numbers), in_turn))
    reasons = tuple(ObstacleFact(obstacle=each.obstacle, seen=each.seen) for each in found.reasons)
    fact = Switchover(mode=found.mode, meanwhile=found.meanwhile, reasons=reasons, numbers=numbers, in_turn=in_turn)
    incident.record_fact("switchover", fact)
    option = ("--close-gate-first",) if context.options.close_gate_first else ()
    incident.record_decision(Question.SWITCH, _QUESTION, found.mode, list(found.evidence), option=option)
    return told(found)


def told(found: Decided) -> str:
    """Return the switch mode and its reasons, in words."""
    return f"{found.mode}: {'; '.join(found.evidence)}"


def _numbers(context: Context) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return how many containers each service that may come up beside had before, and the services that may not."""
    settings, rolled_back = context.settings, context.production.rolled_back
    alone = not settings.switch.jobs_may_overlap and settings.api in rolled_back
    beside = (settings.api,) if alone else rolled_back
    there = counts(context.incident.facts.seen_before.containers) | _noted(context)
    return {name: there[name] for name in beside if name in there}, tuple(n for n in rolled_back if n not in beside)


def _noted(context: Context) -> dict[str, int]:
    """Return the container counts from before another incident's switch beside, from its note on the host."""
    note = context.open_rollback.for_running_tags(context.incident.facts.seen_before.tags)
    return context.open_rollback.beside(note) if note else {}


def _circumstances(context: Context, beside: tuple[str, ...], in_turn: tuple[str, ...]) -> Circumstances:
    production, facts, settings, release = (
        context.production, context.incident.facts, context.settings, pinned_release(context),
    )  # fmt: skip
    pair = Pair(production, release, dict.fromkeys(beside, 1))
    failed, restored, gate = pair.failed, to_restore(context), settings.traffic.gate if settings.traffic else None
    return Circumstances(
        services=production.services(release.tag),
        beside=beside,
        in_turn=in_turn,
        schema_stays=facts.strategy is Strategy.IMAGE_ONLY,
        migrates=facts.strategy not in (Strategy.IMAGE_ONLY, Strategy.BRIDGE),
        asked_for=settings.switch.mode,
        gate_first=context.options.close_gate_first,
        begun=facts.switchover is None and bool(context.incident.changes_made),
        restored=tuple(each.path for each in restored.files) if restored else (),
        same_tag=bool(pair.target) and not _noted(context),
        not_running=tuple(each.one_line for each in failed if each.state != "running"),
        sharing=production.sharing_with(beside),
        follows=settings.traffic.follows if settings.traffic else None,
        gate=gate is not None,
        may_hold=gate is not None and gate.hold is not None,
        hold_seconds=settings.traffic.hold_seconds if settings.traffic else 0,
        memory=Memory(_needed(context, failed), _free(context)),
    )


def _needed(context: Context, failed: Sequence[Container]) -> int | None:
    """Return the bytes of memory that the same number of containers would need; None if unknown."""
    used = []
    for each in failed:
        try:
            used.append(context.production.memory_of(each))
        except RunbookError:
            return None
    known = [each for each in used if each is not None]
    return int(sum(known) * _MORE) if len(known) == len(used) else None


def _free(context: Context) -> int | None:
    """Return the bytes of memory available on the host; None if it does not report them."""
    try:
        file = context.production.files.content("/proc/meminfo")
    except RunbookError:
        return None
    lines = (line.split() for line in file.content.decode("ascii", "replace").splitlines()) if file else ()
    found = next((words[1] for words in lines if words[:1] == ["MemAvailable:"] and len(words) > 1), "")
    return int(found) * 1024 if found.isdigit() else None
