"""What goes on at this moment, and by when it must be over: written by the run, read by whoever draws it."""

import time
from dataclasses import dataclass, field

from runbook.hosts.pull_progress import PullProgress


@dataclass
class LiveState:
    """The step that is open, if one is, and what is done under it. Moments are of the monotonic clock.

    Its texts may be shown as they are. One thread writes, another one reads: a reader takes what it sees for true at
    that moment and no longer.
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
        """Take note that from now on there are `deadline` seconds."""
        self.deadline, self.counted_from = deadline, time.monotonic()

    def elapsed(self, now: float) -> float:
        """The seconds that count against the deadline, or, without one, those since the step began."""
        return now - (self.counted_from if self.deadline else self.began)
