"""A summary of the probes of the public address: whether it is up, and how long it was down."""

from dataclasses import dataclass, replace

#: The status of a probe that got no answer.
NO_ANSWER = 0
#: A probe is good if the status of its answer is below this one.
FIRST_BAD_STATUS = 400


@dataclass(frozen=True)
class Probe:
    """One probe: when it began (monotonic clock, seconds), its status or NO_ANSWER, and its latency in seconds."""

    began: float
    status: int
    latency: float

    @property
    def good(self) -> bool:
        """Whether a user would have been served."""
        return NO_ANSWER < self.status < FIRST_BAD_STATUS


@dataclass(frozen=True)
class Availability:
    """The probes of a run so far. Times are by the monotonic clock, durations in seconds.

    The address is down from the start of the first bad probe to the start of the next good one. `down_before` is the
    total of the outages that have ended.
    """

    url: str
    probes: int = 0
    good: int = 0
    last: Probe | None = None
    down_since: float | None = None
    down_before: float = 0.0
    recent: tuple[Probe, ...] = ()
    #: When the oldest probe that still waits for its answer began.
    waiting_since: float | None = None
    #: Why probing stopped, if it did.
    error: str | None = None

    def down(self, now: float) -> float:
        """Return the total seconds without service."""
        return self.down_before + self.down_now(now)

    def down_now(self, now: float) -> float:
        """Return the seconds of the current outage; 0 if there is none."""
        return 0.0 if self.down_since is None else now - self.down_since

    def with_probe(self, probe: Probe) -> "Availability":
        """Return the summary with one more probe.

        Probes end in any order. The one that began last decides the current state.
        """
        news = replace(self, probes=self.probes + 1, good=self.good + probe.good)
        if self.last is not None and probe.began < self.last.began:
            return news
        news = replace(news, last=probe)
        if not probe.good:
            return news if self.down_since is not None else replace(news, down_since=probe.began)
        return replace(news, down_since=None, down_before=self.down(probe.began))
