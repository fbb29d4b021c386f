"""What the live view shows: the open step and its deadline. The run writes it, the view reads it."""

import time
from dataclasses import dataclass, field

from runbook.hosts.pull_progress import PullProgress


@dataclass
class LiveState:
    """The open step, if any, and what is done under it; moments are of the monotonic clock.

    Its texts are redacted and harmless. One thread writes, another reads.
    """

    step: str = ""
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
