"""Trends over all incidents: time to recover, incidents per month, the last rehearsal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.report.archive.summary import COUNTED, State, Summary

#: After this time without a rehearsal, another one is due.
REHEARSE_EVERY = timedelta(days=30)
_MOST_RECOVERIES = 30
_MONTHS = 12


@dataclass(frozen=True)
class Trends:
    """The trends over all incidents, as of `made`."""

    #: The newest rollbacks and rehearsals, oldest first, as many as the chart can show.
    recoveries: list[Summary]
    #: The number of all rollbacks and rehearsals.
    recoveries_known: int
    #: The last twelve months, such as `2026-01`, the current one last.
    months: list[str]
    #: The number of incidents in each of these months, for each kind that occurs.
    counts: dict[str, list[int]]
    #: The newest incident on production.
    last_incident: Summary | None
    last_rehearsal: Summary | None
    #: Days since the last rehearsal; None if none is on record.
    days_since_rehearsal: int | None

    @property
    def rehearsed_when(self) -> str:
        """The age of the last rehearsal, in words."""
        days = self.days_since_rehearsal
        return "never" if days is None else {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")

    @property
    def rehearsal_due(self) -> bool:
        """Whether the last rehearsal is too old."""
        return self.days_since_rehearsal is None or self.days_since_rehearsal > REHEARSE_EVERY.days


def trends(summaries: Sequence[Summary], made: datetime) -> Trends:
    """Return the trends of `summaries` (in any order) as of `made` (UTC)."""
    dated = sorted((each for each in summaries if each.began), key=lambda each: each.began)
    ended = [each for each in dated if each.state is not State.UNDER_WAY]
    # An incident that another one continued is counted with that one.
    recoveries = [each for each in ended if each.group in ("rollback", "rehearsal") and not each.finished_by]
    months = _months(made)
    counts = {
        group: [
            sum(each.group == group and not each.finished_by and each.began[:7] == month for each in dated)
            for month in months
        ]
        for group in COUNTED
    }
    rehearsal = next((each for each in reversed(dated) if each.group == "rehearsal"), None)
    since = made.date() - datetime.fromisoformat(rehearsal.began).date() if rehearsal else None
    return Trends(
        recoveries[-_MOST_RECOVERIES:],
        len(recoveries),
        months,
        {group: numbers for group, numbers in counts.items() if any(numbers)},
        next((each for each in reversed(dated) if each.group in ("rollback", "emergency")), None),
        rehearsal,
        None if since is None else max(since.days, 0),
    )


def _months(made: datetime) -> list[str]:
    newest = made.year * 12 + made.month - 1
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(newest - _MONTHS + 1, newest + 1)]
