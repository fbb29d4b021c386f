"""What the live view shows: the open step and its deadline. The run writes it, the view reads it."""

import time
from dataclasses import dataclass, field

from runbook.hosts.pull_progress import PullProgress


@dataclass
class Standing:
    """What the header says of the whole run; texts are empty as long as nothing is known."""

    project: str = ""
    source: str = ""
    target: str = ""
    strategy: str = ""
    #: How many steps have begun, and how many there are to be.
    step: int = 0
    steps: int = 0
    began: float = field(default_factory=time.monotonic)
    #: The seconds that the whole is expected to take; None when nobody knows.
    expected: float | None = None

    def parts(self, now: float) -> list[str]:
        """Its parts, as they stand beside each other where there is room; `now` is of the monotonic clock."""
        way = " → ".join(filter(None, (self.source, self.target)))
        whole = f" of about {_minutes(self.expected)}" if self.expected is not None else ""
        # A step that is run again, or a scenario of several rows, must not count beyond the whole.
        step = f"step {min(self.step, self.steps)} of {self.steps}" if self.steps else ""
        return [
            each for each in (self.project, way, self.strategy, step, f"{_minutes(now - self.began)}{whole}") if each
        ]


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@dataclass
class LiveState:
    """The open step, if any, and what is done under it; moments are of the monotonic clock.

    Its texts are redacted and harmless. One thread writes, another reads.
    """

    step: str = ""
    standing: Standing = field(default_factory=Standing)
    began: float = field(default_factory=time.monotonic)
    #: Production is being changed, since a change to it began under this step.
    changes_production: bool = False
    #: What is waited for or done, and the command that runs.
    doing: str = ""
    command: str = ""
    #: The seconds that it may take, counted from `counted_from`; 0 when nobody said.
    deadline: float = 0.0
    counted_from: float = field(default_factory=time.monotonic)
    pull: PullProgress | None = None

    def count(self, deadline: float) -> None:
        """Count `deadline` seconds from now on."""
        self.deadline, self.counted_from = deadline, time.monotonic()

    def elapsed(self, now: float) -> float:
        """The seconds that count against the deadline, or, without one, those since the step began."""
        return now - (self.counted_from if self.deadline else self.began)
