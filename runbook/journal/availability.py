"""What the probes of the public address have seen: whether users are served, and for how long they were not."""

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
        """Tell whether a user would have been served."""
        return NO_ANSWER < self.status < FIRST_BAD_STATUS


@dataclass(frozen=True)
class Availability:
    """What the probes of a run have seen so far; moments are of the monotonic clock, lengths in seconds.

    The address is down from the beginning of the first bad probe to the beginning of the next good one. `down_before`
    sums up the outages that are over, and `longest_before` is the longest of those.
    """

    url: str
    probes: int = 0
    good: int = 0
    last: Probe | None = None
    down_since: float | None = None
    down_before: float = 0.0
    longest_before: float = 0.0
    #: Whether the first probe was bad already, so that nobody knows since when.
    down_at_first: bool = False
    recent: tuple[Probe, ...] = ()
    #: The oldest probe without an answer yet.
    waiting_since: float | None = None
    #: Why there is no probing any more, if it broke off.
    error: str | None = None

    @property
    def share(self) -> float:
        """The share of good probes, from 0 to 1."""
        return self.good / self.probes if self.probes else 0.0

    def down(self, now: float) -> float:
        """For how long, in seconds, users were without service in all."""
        return self.down_before + self.down_now(now)

    def down_now(self, now: float) -> float:
        """For how long the outage lasts that is not over; 0 when there is none."""
        return 0.0 if self.down_since is None else now - self.down_since

    def longest(self, now: float) -> float:
        """How long the longest outage was, or is."""
        return max(self.longest_before, self.down_now(now))

    def with_probe(self, probe: Probe) -> "Availability":
        """What is known with one probe more.

        They end in any order; the one that began last says how it is now.
        """
        first = self.last is None and not probe.good
        news = replace(
            self, probes=self.probes + 1, good=self.good + probe.good, down_at_first=self.down_at_first or first
        )
        if self.last is not None and probe.began < self.last.began:
            return news
        news = replace(news, last=probe)
        if not probe.good:
            return news if self.down_since is not None else replace(news, down_since=probe.began)
        outage = self.down_now(probe.began)
        longest = max(self.longest_before, outage)
        return replace(news, down_since=None, down_before=self.down_before + outage, longest_before=longest)
