"""The expected interruption, from earlier incidents and rehearsals of the same kind."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from runbook.report.archive.archive import read
from runbook.report.archive.summary import Summary
from runbook.report.page.templating import duration

#: The number of newest incidents that count. Older ones ran on a different production.
_NEWEST = 5
#: The limit in seconds for reading the records. Records that were not read by then do not count.
_READING = 2.0
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Forecast:
    """The time without service, and the time for which traffic was paused, in `count` earlier incidents.

    `without_service` and `paused` are medians in seconds, None if none of them measured it. `since` and `until` are
    the days (UTC) of the oldest and the newest. `rehearsed` is whether they were rehearsals, because there were no
    real incidents. `held` is whether requests waited while traffic was paused.
    """

    count: int
    since: str
    until: str
    without_service: float | None
    paused: float | None
    rehearsed: bool = False
    held: bool = False

    def __str__(self) -> str:
        """Return the forecast in words, with the incidents that it is based on."""
        down, paused = self.without_service, self.paused
        told = [f"about {duration(down)} without service"] if down is not None else []
        kept = "requests wait" if self.held else "traffic paused"
        told += [f"{kept} for about {duration(paused)}"] if paused is not None else []
        kind = "rehearsal" if self.rehearsed else "incident"
        of = (
            f"the last {kind} of this kind"
            if self.count == 1
            else f"median of the last {self.count} {kind}s of this kind"
        )
        when = self.until if self.since == self.until else f"{self.since} to {self.until}"
        return f"{', '.join(told)} ({of}, {when})"


def forecast(summaries: Sequence[Summary], way: str, project: str, host: str) -> Forecast | None:
    """Return the forecast for an incident of that `way` (a strategy, or `emergency`), or None without a basis.

    It is based on the incidents that changed this project on this host and succeeded; if there are none, on
    rehearsals on this host.
    """
    alike = [
        each
        for each in summaries
        if way and each.way == way and each.host == host and each.changed
        and each.ending == "succeeded" and (each.without_service, each.gate_closed) != (None, None)
    ]  # fmt: skip
    real = [each for each in alike if each.project == project and each.group in ("rollback", "emergency")]
    rehearsed = [each for each in alike if each.group == "rehearsal"]
    newest = sorted(real or rehearsed, key=lambda each: each.began)[-_NEWEST:]
    if not newest:
        return None
    # An incomplete measurement is too short by an unknown time.
    down = [each.without_service for each in newest if each.without_service is not None and each.for_sure]
    kept_back = [each for each in newest if each.gate_closed is not None]
    paused = [each.gate_closed for each in kept_back if each.gate_closed is not None]
    if not down and not paused:
        return None
    return Forecast(
        len(newest),
        newest[0].began[:10],
        newest[-1].began[:10],
        median(down) if down else None,
        median(paused) if paused else None,
        rehearsed=not real,
        held=all(each.held for each in kept_back),
    )


class Forecasts:
    """Reads a folder of records in the background, and forecasts from them."""

    def __init__(self, reports: Path, project: str) -> None:
        self._reports, self._project = reports, project
        self._summaries: Sequence[Summary] = ()
        self._reading = threading.Thread(target=self._read, name="forecast", daemon=True)

    def start(self) -> None:
        """Start to read."""
        self._reading.start()

    def _read(self) -> None:
        try:
            self._summaries = read(self._reports, _READING).summaries
        except Exception:  # noqa: BLE001 - without records there is no forecast
            self._summaries = ()

    def found(self, way: str, host: str, patience: float = 0.0) -> Forecast | None:
        """Return the forecast, or None if there is none. Waits at most `patience` seconds for the records."""
        if self._reading.ident is not None:
            self._reading.join(patience)
        return forecast(self._summaries, way, self._project, host)
