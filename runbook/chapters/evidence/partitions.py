"""Whether the rows of partitions that are none any more find a place in those that there are now.

PostgreSQL's own words for the bounds tell it: ranges that join end to end, lists, and a partition for all the rest. No
value is compared with another but for being written the same.
"""

import re
from collections.abc import Iterable, Iterator

Catalog = Iterable[tuple[str, ...]]

_PARTITION = re.compile(r"(.*) (FOR VALUES .*|DEFAULT)", re.DOTALL)
_END = r"\(((?:[^()']|'[^']*')*)\)"
_RANGE = re.compile(f"FOR VALUES FROM {_END} TO {_END}")
_LIST = re.compile(f"FOR VALUES IN {_END}")
_CONSTANT = re.compile(r"(?:[^,']|'[^']*')+")


def still_placed(then: Catalog, now: Catalog) -> frozenset[str]:
    """The partitions of one whole catalog of which each row has a place in another one, below the same table.

    >>> then = [("partition", "public.a_1", "public.a FOR VALUES FROM (1) TO (9)")]
    >>> now = [("partition", f"public.b_{at}", f"public.a FOR VALUES FROM ({at}) TO ({at + 4})") for at in (5, 1)]
    >>> [sorted(still_placed(then, there)) for there in (now, now[1:])]
    [['public.a_1'], []]
    """
    there = list(now)
    # What a partition of partitions takes is not said by its own bound.
    divided = {row[1] for row in there if row[0] == "table" and row[2] == "partitioned table"}
    bounds: dict[str, list[str]] = {}
    for name, above, bound in _partitions(there):
        if name not in divided:
            bounds.setdefault(above, []).append(bound)
    return frozenset(name for name, above, bound in _partitions(then) if _covered(bound, bounds.get(above, [])))


def _partitions(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    """Each partition with the table above it and its bound."""
    for kind, name, detail in catalog:
        if kind == "partition" and (found := _PARTITION.fullmatch(detail)):
            yield name, found[1], found[2]


def _covered(bound: str, others: list[str]) -> bool:
    if bound in others or "DEFAULT" in others:
        return True
    if whole := _RANGE.fullmatch(bound):
        ends = {found[1]: found[2] for each in others if (found := _RANGE.fullmatch(each))}
        at = whole[1]
        while at != whole[2] and at in ends:
            at = ends.pop(at)
        return at == whole[2]
    if listed := _LIST.fullmatch(bound):
        taken = {one for each in others if (found := _LIST.fullmatch(each)) for one in _constants(found[1])}
        return _constants(listed[1]) <= taken
    return False


def _constants(listed: str) -> set[str]:
    return {each.strip() for each in _CONSTANT.findall(listed)}
