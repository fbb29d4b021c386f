"""The time without service, from the probes of the public address, per run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from runbook.actions import ActionName
from runbook.clock import moment
from runbook.journal.availability import FIRST_BAD_STATUS, NO_ANSWER
from runbook.journal.journal import Entry
from runbook.journal.of_host import entries_of, hosts_of

#: The actions that end the hold.
_TURNS = (ActionName.RESUME_TRAFFIC, ActionName.PAUSE_TRAFFIC)


class Probed(NamedTuple):
    """One probe on record: when it began (UTC), the status of its answer or NO_ANSWER, its latency in milliseconds."""

    at: datetime
    status: int
    latency: int

    @property
    def good(self) -> bool:
        """Whether a user would have been served."""
        return NO_ANSWER < self.status < FIRST_BAD_STATUS


@dataclass(frozen=True)
class Outage:
    """A time in which no probe was good: from the first bad probe to the next good one, or to the end of the run.

    If the run died, the outage ends at most one probe interval after the last probe on record.
    """

    began: datetime
    ended: datetime
    over: bool
    #: Whether the run's first probe was bad, so that the real beginning is unknown.
    begun_before: bool
    #: The distinct statuses of its probes, including NO_ANSWER.
    statuses: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return (self.ended - self.began).total_seconds()

    @property
    def known_whole(self) -> bool:
        """Whether both ends were seen. If not, the outage lasted at least that long."""
        return self.over and not self.begun_before


@dataclass
class Downtime:
    """The answers to the probes of one run, from its beginning to its last entry."""

    began: datetime
    ended: datetime
    url: str = ""
    interval: int = 0  # milliseconds
    probes: list[Probed] = field(default_factory=list)
    #: Whether the run closed its journal, so that all probes are on record.
    closed: bool = False
    #: The host that was probed, if several hosts each have a public address.
    host: str = ""
    #: Whether this run resumed the incident.
    resumed: bool = False
    #: Why probing stopped early, if it did.
    error: str | None = None
    #: When held traffic was resumed.
    resumed_at: list[datetime] = field(default_factory=list)

    @property
    def waited(self) -> list[Probed]:
        """The good probes that waited until held traffic was released."""
        good = [(probe, probe.at + timedelta(milliseconds=probe.latency)) for probe in self.probes if probe.good]
        return [probe for probe, ended in good if any(probe.at < resumed_at <= ended for resumed_at in self.resumed_at)]

    @cached_property
    def outages(self) -> list[Outage]:
        """The outages, in order."""
        outages: list[Outage] = []
        bad: list[Probed] = []
        for probe in self.probes:
            if not probe.good:
                bad.append(probe)
            elif bad:
                outages.append(self._outage(bad, probe.at, over=True))
                bad = []
        if bad:
            known = bad[-1].at + timedelta(milliseconds=self.interval)
            outages.append(self._outage(bad, self.ended if self.closed else min(known, self.ended), over=False))
        return outages

    def _outage(self, bad: Sequence[Probed], ended: datetime, *, over: bool) -> Outage:
        statuses = tuple(dict.fromkeys(probe.status for probe in bad))
        return Outage(bad[0].at, ended, over, bad[0] is self.probes[0], statuses)

    @property
    def probed_through(self) -> bool:
        """Whether the run was probed until its end."""
        return bool(self.probes) and self.closed and self.error is None

    @property
    def known_whole(self) -> bool:
        """Whether `down_seconds` is complete. If not, users were without service for at least that long."""
        return self.probed_through and all(outage.known_whole for outage in self.outages)

    @property
    def down_seconds(self) -> float:
        """The seconds without service in this run."""
        return sum((outage.seconds for outage in self.outages), 0.0)

    @property
    def good(self) -> int:
        """The number of good probes."""
        return sum(probe.good for probe in self.probes)

    @cached_property
    def latencies(self) -> list[int]:
        """The latencies of the good probes in milliseconds, sorted."""
        return sorted(probe.latency for probe in self.probes if probe.good)

    def percentile(self, share: float) -> int | None:
        """Return the latency (ms) that `share` (0 to 1) of the good probes did not exceed. None without good probes."""
        last = len(self.latencies) - 1
        return self.latencies[min(last, int(share * len(self.latencies)))] if self.latencies else None


def measured(entries: Sequence[Entry]) -> list[Downtime]:
    """Return the measurements of each run of the incident. A run that probed nothing has no probes.

    If several hosts each have a public address, all runs of the first host come first, then those of the next.
    """
    asked = [str(entry.get("on", "")) for entry in entries if entry["kind"] == "availability"]
    hosts = [host for host in hosts_of(entries) if host in asked] or [""]
    return [run for host in hosts for run in _measured(entries_of(entries, host) if host else entries, host)]


def _measured(entries: Sequence[Entry], host: str) -> list[Downtime]:
    runs: list[Downtime] = []
    held = False
    for entry in entries:
        at = moment(entry["time"])
        if not runs or entry["kind"] == "resumed":
            runs.append(Downtime(at, at, host=host, resumed=bool(runs)))
        run = runs[-1]
        run.ended = max(run.ended, at)
        run.closed = entry["kind"] == "closed"
        if entry["kind"] == "availability":
            _add(run, entry)
        elif entry["kind"] == "action":
            turned = (entry.get("action"), entry["state"])
            if held and turned == (ActionName.RESUME_TRAFFIC, "begun"):
                run.resumed_at.append(at)
            held = turned[0] == ActionName.HOLD_TRAFFIC or (held and turned[0] not in _TURNS)
    for run in runs:
        # A probe is recorded when its answer arrives, possibly after probes that began later.
        run.probes.sort()
    return runs


def without_service(runs: Sequence[Downtime]) -> float | None:
    """Return the seconds in which users of any host were without service, over all runs. None without probes."""
    if not any(run.probes for run in runs):
        return None
    if len(_by_host(runs)) == 1:
        return sum((run.down_seconds for run in runs), 0.0)
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for outage in sorted((each for run in runs for each in run.outages), key=lambda each: each.began):
        # Simultaneous outages of several hosts count once.
        seconds += max(0.0, (outage.ended - max(outage.began, until)).total_seconds())
        until = max(until, outage.ended)
    return seconds


def _by_host(runs: Sequence[Downtime]) -> list[list[Downtime]]:
    return [list(each) for _, each in groupby(runs, key=lambda run: run.host)]


def known_whole(runs: Sequence[Downtime]) -> bool:
    """Tell whether the seconds without service are complete.

    They are if every run was probed to its end, and the first and the last probe of the incident were good.
    """
    if not runs or not all(run.probed_through for run in runs):
        return False
    return all(each[0].probes[0].good and each[-1].probes[-1].good for each in _by_host(runs))


def so_far(entries: Sequence[Entry]) -> list[Downtime]:
    """Return the measurements of a running incident, as if it ended with its newest entry."""
    runs = measured(entries)
    for each in _by_host(runs):
        each[-1].closed = True
    return runs


def in_words(runs: Sequence[Downtime]) -> str:
    """Return a sentence on the probes of all runs, for the last lines. Empty without probes."""
    error = next((each[-1].error for each in _by_host(runs) if each[-1].error), None)
    probes = sum(len(run.probes) for run in runs)
    if not probes:
        return f"probing of the public address stopped early: {error}" if error else ""
    down, still = without_service(runs), "; it is DOWN now" if still_down(runs) else ""
    seconds = f"{'' if known_whole(runs) else 'at least '}{down:.1f} s"
    outages = f"; users were without service for {seconds}" if down else ""
    gap = f"; {unmeasured(runs):.1f} s between its runs were not measured" if unmeasured(runs) else ""
    broken = f"; probing stopped early: {error}" if error else ""
    waits = [probe.latency for run in runs for probe in run.waited]
    waited = f"; {len(waits)} waited while traffic was held, for {max(waits) / 1000:.1f} s at most" if waits else ""
    good = sum(run.good for run in runs)
    return f"the public address answered {good} of {probes} probes well{still}{outages}{waited}{gap}{broken}"


def seconds_in_words(runs: Sequence[Downtime]) -> str:
    """Return the seconds without service as one word: `12.3`, `≥12.3` if it may have been longer, or `unknown`."""
    down = without_service(runs)
    return "unknown" if down is None else f"{'' if known_whole(runs) else '≥'}{down:.1f}"


def still_down(runs: Sequence[Downtime]) -> Probed | None:
    """Return the very last probe if it was bad and its run ended normally, else None."""
    last = [each[-1] for each in _by_host(runs)]
    return next((run.probes[-1] for run in last if run.closed and run.probes and not run.probes[-1].good), None)


def unmeasured(runs: Sequence[Downtime]) -> float:
    """Return the unmeasured seconds between runs, for gaps with users without service on at least one side."""
    return max(map(_unmeasured, _by_host(runs)), default=0)


def _unmeasured(runs: Sequence[Downtime]) -> float:
    return sum(
        (later.began - earlier.ended).total_seconds()
        for earlier, later in pairwise(runs)
        if (earlier.probes and not earlier.probes[-1].good) or (later.probes and not later.probes[0].good)
    )


def _add(run: Downtime, entry: Entry) -> None:
    run.url = entry["url"]
    if "error" in entry:
        run.error = entry["error"]
        return
    run.interval = entry["interval_ms"]
    began = moment(entry["began"])
    answers: zip[tuple[Any, Any, Any]] = zip(entry["offsets_ms"], entry["statuses"], entry["latencies_ms"], strict=True)
    run.probes += [Probed(began + timedelta(milliseconds=at), status, latency) for at, status, latency in answers]
