"""Migrations levels: the one that production had before the failed deploy, and that of each candidate."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from runbook.chapters import migration_facts
from runbook.chapters.context import Context
from runbook.chapters.migrating.schema_revisions import unchecked
from runbook.errors import RunbookError
from runbook.migrations.image.report import Graph
from runbook.targets.candidate import Candidate
from runbook.targets.ranking import Ranked


class LevelFrom(StrEnum):
    """By what the level before the failed deploy is known."""

    LEDGER = "ledger"
    #: The failed release has the head of a release before it: it added no migration.
    SAME_HEAD = "same_head"
    #: What the failed release's head builds upon.
    DOWN_REVISION = "down_revision"


@dataclass(frozen=True)
class Level:
    """The migrations level that production had before the failed deploy, and by what that is known."""

    revisions: tuple[str, ...]
    origin: LevelFrom
    evidence: str


def with_levels(context: Context, ranked: Sequence[Ranked]) -> list[Ranked]:
    """Add the level of each candidate, as far as the ledger tells it or the host holds its image.

    An image that is not on the host is not fetched for that, and after `targets.deadline` no other one is asked.
    """
    until, checked = time.monotonic() + context.settings.targets.deadline, unchecked(context) is None
    found = []
    for one in ranked:
        schema = next((each.schema for each in one.known if each.schema), None)
        if schema is None and checked and one.bar is None and time.monotonic() < until:
            schema = _heads(context, one.tag)
        found.append(replace(one, level=schema))
    return found


def level_before(context: Context, ledger: Sequence[Candidate], ranked: Sequence[Ranked]) -> Level | None:
    """The level before the failed deploy; None when neither the ledger nor the failed release tells it.

    `ledger` has the oldest first, without the releases that failed.
    """
    if ledger:
        newest = ledger[-1]
        evidence = f"{newest.tag}, the last release that was validated before, was at {', '.join(newest.schema)}"
        return Level(newest.schema, LevelFrom.LEDGER, evidence) if newest.schema else None
    if unchecked(context) or all(one.bar is not None for one in ranked):
        return None
    try:
        graph = migration_facts.ask_failed(context).read_graph()
    except RunbookError:
        return None
    if len(graph.heads) != 1:
        return None
    (head,) = graph.heads
    levels = {one.tag: one.level for one in ranked if one.bar is None and one.level}
    down = next(each.down for each in graph.revisions if each.revision == head)
    before = _known_before(graph, down, levels.values())
    same = next((tag for tag, level in levels.items() if level == (head,)), None)
    # The best one has the failed release's head; or another has it, and none is at a level from which it could come.
    if same is not None and (not before or same == next(iter(levels))):
        evidence = f"{same} has the head of the failed release, {head}, which so added no migration"
        return Level((head,), LevelFrom.SAME_HEAD, evidence)
    evidence = f"the head of the failed release, {head}, builds upon {', '.join(down)}"
    if before and before != down:
        evidence += f", at which no known release is; one is at {', '.join(before)}, the nearest before that"
    return Level(before or down, LevelFrom.DOWN_REVISION, evidence) if down else None


def _known_before(graph: Graph, down: tuple[str, ...], levels: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The nearest level from `down` on backwards at which a known release is; empty where none is.

    The failed release may have added several revisions, and production was at none of them.
    """
    known, builds_upon = set(map(frozenset, levels)), {each.revision: each.down for each in graph.revisions}
    at = down
    while at and frozenset(at) not in known:
        # Taken out, since a graph of a stranger's may go round in a circle.
        at = builds_upon.pop(at[0], ()) if len(at) == 1 else ()
    return at


def _heads(context: Context, tag: str) -> tuple[str, ...] | None:
    try:
        image = context.production.images_with_tag(tag)[context.settings.migrations.service]
        held = context.production.image_id(str(image))
        return migration_facts.asked(context, held, tag).heads if held else None
    except RunbookError:
        return None
