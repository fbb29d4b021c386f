"""The probes of the public address, summed up: is it up, and for how long was it down."""

from dataclasses import dataclass, replace

#: The status of a probe that got no answer.
NO_ANSWER = 0
#: A probe is good when it was answered with a status below this one.
FIRST_BAD_STATUS = 400


@dataclass(frozen=True)
class Probe:
    """One probe: when it began (by the monotonic clock), its status or NO_ANSWER, and its latency in seconds."""

    began: float
    status: int
    latency: float

    @property
    def good(self) -> bool:
        """Whether a user would have been served."""
        return NO_ANSWER < self.status < FIRST_BAD_STATUS


@dataclass(frozen=True)
class Availability:
    """The probes of a run so far; moments are of the monotonic clock, lengths in seconds.

    The address is down from the beginning of the first bad probe to the beginning of the next good one. `down_before`
    sums up the outages that are over.
    """

    url: str
    probes: int = 0
    good: int = 0
    last: Probe | None = None
    down_since: float | None = None
    down_before: float = 0.0
    recent: tuple[Probe, ...] = ()
    #: The oldest probe without an answer yet.
    waiting_since: float | None = None
    #: Why probing stopped, if it did.
    error: str | None = None

    def down(self, now: float) -> float:
        """Seconds without service in all."""
        return self.down_before + self.down_now(now)

    def down_now(self, now: float) -> float:
        """Seconds of the outage that is not over; 0 when there is none."""
        return 0.0 if self.down_since is None else now - self.down_since

    def with_probe(self, probe: Probe) -> "Availability":
        """With one probe more. Probes end in any order; the one that began last counts as the state now."""
        news = replace(self, probes=self.probes + 1, good=self.good + probe.good)
        if self.last is not None and probe.began < self.last.began:
            return news
        news = replace(news, last=probe)
        if not probe.good:
            return news if self.down_since is not None else replace(news, down_since=probe.began)
        return replace(news, down_since=None, down_before=self.down(probe.began))
