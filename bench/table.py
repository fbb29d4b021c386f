"""The table of a comparison: medians, ranges, and each contender's ratio to `hand` in the same round."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.measuring import Round

_MEASURES = {
    "ended": "run, s",
    "recovered": "recovered, s",
    "failed": "failed",
    "refused": "refused",
    "slowest": "longest wait, s",
    "cpu": "CPU, s",
    "memory": "memory, MiB",
    "processes": "processes",
}
_AGAINST = "hand"


def rows(rounds: Sequence[Mapping[str, Round]]) -> Iterator[list[str]]:
    """Yield one row per contender: the median and range of each measure, and the ratios of `recovered` and `ended`."""
    for contender in rounds[0]:
        ran = [each[contender] for each in rounds]
        cells = [contender]
        cells += [_told([getattr(one, measure) for one in ran]) for measure in _MEASURES]
        cells += [_ratio(rounds, contender, measure) for measure in ("recovered", "ended")]
        cells.append(", ".join(str(one.exit_code) for one in ran))
        yield cells


def markdown(incident: str, rounds: Sequence[Mapping[str, Round]]) -> str:
    """Return the table of one incident."""
    heads = [f"`{incident}`", *_MEASURES.values(), "recovered ÷ hand", "run ÷ hand", "exit codes"]
    lines = [heads, ["---"] * len(heads), *rows(rounds)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _told(values: Iterable[float]) -> str:
    found = sorted(values)
    middle = statistics.median(found)
    return f"{middle:g}" if found[0] == found[-1] else f"{middle:g} ({found[0]:g} to {found[-1]:g})"


def _ratio(rounds: Sequence[Mapping[str, Round]], contender: str, measure: str) -> str:
    """Return the median of the ratios within each round, so that the conditions of a round affect both."""
    if _AGAINST not in rounds[0]:
        return "-"
    pairs = [(getattr(each[contender], measure), getattr(each[_AGAINST], measure)) for each in rounds]
    ratios = [one / other for one, other in pairs if other]
    return f"{statistics.median(ratios):.2f}" if ratios else "-"
