"""The choice: the candidates of all sources are ranked, and one is chosen by name, by number, or as the best."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from runbook.actions import Question
from runbook.chapters.choosing.levels import level_before, with_levels
from runbook.chapters.choosing.pick_list import members
from runbook.chapters.choosing.sources import ask_sources
from runbook.chapters.context import Context
from runbook.errors import RegistryError, TargetError
from runbook.incident.production_facts import Origin, Snapshot
from runbook.targets.asking import Answer
from runbook.targets.ranking import Situation, as_listed, by_level, rank
from runbook.targets.selection import SHOWN, Choice, choose_from, refuse_sliding_back, resolve_tag

QUESTION = "Which release is the target?"


@dataclass(frozen=True)
class Chosen:
    """The choice, and the list from which it was made, as in the journal."""

    choice: Choice
    found: Mapping[str, Any]


def choose_target(context: Context, failed: Origin, running: Snapshot, asked_for: str | None) -> Chosen:
    """Choose the release to return to. `failed` is the failed release, `running` is production now.

    `asked_for` may be a number in the list if it comes from `--to`. Raises TargetError, with the list on record, when
    there is no release to return to.
    """
    ledger = context.ledger.candidates()
    refuse_sliding_back(ledger, failed.tags, asked_for, context.quarantine.incidents())
    platform = context.production.platform()
    looked_at = {*failed.tags, *([asked_for] if asked_for and not asked_for.isdecimal() else [])}
    answers = [Answer("the ledger", list(reversed(ledger))), *ask_sources(context, platform, looked_at)]
    situation = Situation(failed.tags, running.tags, running.digests, platform, failed.digests)
    ranked = rank((each for answer in answers for each in answer.found), situation, context.quarantine.reason)
    shown = as_listed(ranked)[:SHOWN]
    levels = {one.tag: one for one in with_levels(context, shown)}
    ranked = [levels.get(one.tag, one) for one in ranked]
    before = level_before(context, [each for each in ledger if each.tag not in failed.tags], ranked)
    ranked = by_level(ranked, before.revisions if before else None)
    listed = as_listed(ranked)
    found = members(listed, answers, before)
    if asked_for is not None and asked_for == context.options.target:
        asked_for = resolve_tag(listed, asked_for)
    with list_on_record(context, found):
        return Chosen(choose_from(ranked, asked_for, _without(answers)), found)


@contextmanager
def list_on_record(context: Context, found: Mapping[str, Any]) -> Iterator[None]:
    """On a TargetError or RegistryError of the body, record the list and name its releases in the next step."""
    try:
        yield
    except (TargetError, RegistryError) as error:
        context.incident.record_decision(Question.TARGET, QUESTION, "none", [error.seen], **found)
        if others := [f"{each['number']}. {each['tag']} ({each['kind']})" for each in found["candidates"]]:
            error.next_step += f"; the list: {', '.join(others)}"
        raise


def _without(answers: Sequence[Answer]) -> str:
    down = [f"{each.source}: {each.down}" for each in answers if each.down]
    return f"; unavailable: {'; '.join(down)}" if down else ""
