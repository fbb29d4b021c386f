"""Migrations levels: production's level before the failed deploy, and the level of each candidate."""

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
    """The source of the level before the failed deploy."""

    LEDGER = "ledger"
    #: The failed release has the same head as an earlier release, so it added no migration.
    SAME_HEAD = "same_head"
    #: The down revision of the failed release's head.
    DOWN_REVISION = "down_revision"


@dataclass(frozen=True)
class Level:
    """Production's migrations level before the failed deploy, with its source and evidence."""

    revisions: tuple[str, ...]
    origin: LevelFrom
    evidence: str


def with_levels(context: Context, ranked: Sequence[Ranked]) -> list[Ranked]:
    """Add the level of each candidate, if the ledger has it or the host holds its image.

    Images are not pulled for this. After `targets.deadline` seconds no further image is asked.
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
    """Return the level before the failed deploy; None if neither the ledger nor the failed release shows it.

    `ledger` is sorted oldest first, without the failed releases.
    """
    if ledger:
        newest = ledger[-1]
        evidence = f"{newest.tag}, the last validated release before it, was at {', '.join(newest.schema)}"
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
    # The best candidate has the failed release's head; or another one has it, and none is at an earlier level.
    if same is not None and (not before or same == next(iter(levels))):
        evidence = f"{same} has the same head as the failed release, {head}, so that release added no migration"
        return Level((head,), LevelFrom.SAME_HEAD, evidence)
    evidence = f"the failed release's head {head} has the down revision {', '.join(down)}"
    if before and before != down:
        evidence += f"; no known release is at it; the nearest earlier one is at {', '.join(before)}"
    return Level(before or down, LevelFrom.DOWN_REVISION, evidence) if down else None


def _known_before(graph: Graph, down: tuple[str, ...], levels: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the nearest level, going back from `down`, at which a known release is; empty if there is none.

    The failed release may have added several revisions. Production was not at any of them before.
    """
    known, builds_upon = set(map(frozenset, levels)), {each.revision: each.down for each in graph.revisions}
    at = down
    while at and frozenset(at) not in known:
        # Removed, because an untrusted graph may contain a cycle.
        at = builds_upon.pop(at[0], ()) if len(at) == 1 else ()
    return at


def _heads(context: Context, tag: str) -> tuple[str, ...] | None:
    try:
        image = context.production.images_with_tag(tag)[context.settings.migrations.service]
        held = context.production.image_id(str(image))
        return migration_facts.asked(context, held, tag).heads if held else None
    except RunbookError:
        return None
