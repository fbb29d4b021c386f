"""Whether the rows of partitions that no longer exist have a place in the partitions of now.

The answer comes from PostgreSQL's text of the bounds: ranges that join end to end, lists, and the default partition.
Two values are the same only if their text is the same; they are not ordered.
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
    """Return the partitions of one whole catalog whose rows all have a place in another catalog, below the same table.

    >>> then = [("partition", "public.a_1", "public.a FOR VALUES FROM (1) TO (9)")]
    >>> now = [("partition", f"public.b_{at}", f"public.a FOR VALUES FROM ({at}) TO ({at + 4})") for at in (5, 1)]
    >>> [sorted(still_placed(then, there)) for there in (now, now[1:])]
    [['public.a_1'], []]
    """
    there = list(now)
    # The bound of a partition that is partitioned itself does not say which rows it accepts.
    divided = {row[1] for row in there if row[0] == "table" and row[2] == "partitioned table"}
    bounds: dict[str, list[str]] = {}
    for name, above, bound in _partitions(there):
        if name not in divided:
            bounds.setdefault(above, []).append(bound)
    return frozenset(name for name, above, bound in _partitions(then) if _covered(bound, bounds.get(above, [])))


def _partitions(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    """Yield each partition with the table above it and its bound."""
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
