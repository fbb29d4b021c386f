"""The state that the live view shows. The run writes it, the view reads it."""

import time
from dataclasses import dataclass, field

from runbook.hosts.pull_progress import PullProgress


@dataclass
class Standing:
    """The header's facts about the whole run. A text is empty until it is known."""

    project: str = ""
    source: str = ""
    target: str = ""
    strategy: str = ""
    #: How many steps have begun, and how many there are.
    step: int = 0
    steps: int = 0
    began: float = field(default_factory=time.monotonic)
    #: The expected duration in seconds, None if unknown.
    expected: float | None = None

    def parts(self, now: float) -> list[str]:
        """Return the parts of the header line. `now` is a time of the monotonic clock."""
        way = " → ".join(filter(None, (self.source, self.target)))
        whole = f" of about {_minutes(self.expected)}" if self.expected is not None else ""
        # A repeated step, or a scenario with several rows, must not count beyond the total.
        step = f"step {min(self.step, self.steps)} of {self.steps}" if self.steps else ""
        return [
            each for each in (self.project, way, self.strategy, step, f"{_minutes(now - self.began)}{whole}") if each
        ]


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@dataclass
class LiveState:
    """The open step, if any, and its current work. Times are of the monotonic clock.

    Texts are redacted and free of control characters. One thread writes, another reads.
    """

    step: str = ""
    standing: Standing = field(default_factory=Standing)
    began: float = field(default_factory=time.monotonic)
    #: Whether this step has begun a change to production.
    changes_production: bool = False
    #: The current wait or action, and the running command.
    doing: str = ""
    command: str = ""
    #: The deadline in seconds, counted from `counted_from`; 0 if there is none.
    deadline: float = 0.0
    counted_from: float = field(default_factory=time.monotonic)
    pull: PullProgress | None = None

    def count(self, deadline: float) -> None:
        """Start counting towards a deadline of that many seconds."""
        self.deadline, self.counted_from = deadline, time.monotonic()

    def elapsed(self, now: float) -> float:
        """Return the seconds counted towards the deadline, or, without one, since the step began."""
        return now - (self.counted_from if self.deadline else self.began)
