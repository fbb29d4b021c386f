"""Links between rollbacks that were interrupted and continued under another name, with their common outage."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from runbook.clock import seconds_between
from runbook.report.archive.summary import Summary


def linked(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the summaries, in their order, each linked to the incident before and after it.

    An incident that continued others includes their time and their outages. The time between two of them counts as
    outage if users were without service on both sides of it. If only on one side, the outage is marked as incomplete.
    """
    by_name = {each.folder: each for each in summaries}
    before = {
        each.folder: each.goes_on_from
        for each in summaries
        if each.goes_on_from != each.folder and each.goes_on_from in by_name and each.changed
    }
    # If several incidents continued the same one, the newest counts.
    after = {earlier: name for name, earlier in sorted(before.items())}
    return [replace(_whole(each, by_name, before), finished_by=after.get(each.folder, "")) for each in summaries]


def _whole(last: Summary, by_name: dict[str, Summary], before: dict[str, str]) -> Summary:
    chain = [last]
    while (earlier := before.get(chain[0].folder)) and earlier not in {each.folder for each in chain}:
        chain.insert(0, by_name[earlier])
    first = chain[0]
    if len(chain) == 1 or not first.began or not last.began:
        return last
    recovered = last.time_to_recover
    if recovered is not None:
        recovered += max(seconds_between(first.began, last.began), 0.0)
    down, for_sure = _outage(chain)
    return replace(last, time_to_recover=recovered, without_service=down, for_sure=for_sure)


def _outage(chain: Sequence[Summary]) -> tuple[float | None, bool]:
    known = [each.without_service for each in chain if each.without_service is not None]
    down, for_sure = sum(known, 0.0), len(known) == len(chain)
    for earlier, later in pairwise(chain):
        gap = seconds_between(earlier.ended, later.began) if earlier.ended and later.began else 0.0
        if earlier.out_at_last and later.out_at_first:
            down += max(gap, 0.0)
        elif earlier.out_at_last or later.out_at_first:
            for_sure = False
    ends = chain[0].out_at_first or chain[-1].out_at_last
    return (down if known else None), for_sure and not ends
