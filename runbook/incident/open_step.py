"""The step that is open: what it may do, what it put on record, and its result so far."""

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from runbook.actions import Outcome
from runbook.errors import Inconclusive, RunbookError


class StepEnded(NamedTuple):
    """The result of a step: its outcome, what was seen or done, the next step if it stopped, and its seconds."""

    outcome: Outcome
    detail: str
    next_step: str
    seconds: float


@dataclass
class OpenStep:
    """The step that began last. It is open while `began` (monotonic seconds) is set."""

    id: str = ""
    keyword: str = ""
    may_change: bool = False
    began: float | None = None
    #: The kinds of entries that it wrote: fact, decision, check, action.
    did: set[str] = field(default_factory=set)
    outcome: Outcome = Outcome.PASSED
    detail: str = ""
    next_step: str = ""

    def joined(self) -> "OpenStep":
        """Return the same step for work on another host, which gets a result of its own."""
        return OpenStep(self.id, self.keyword, self.may_change, self.began, self.did)

    def conclude(self, outcome: Outcome, detail: str, next_step: str = "") -> None:
        """Set the outcome and the next step, and append a line to the detail."""
        self.outcome, self.next_step = outcome, next_step
        self.detail = f"{self.detail}\n{detail}" if self.detail else detail

    def check(self) -> None:
        """Raise Inconclusive if the step did nothing: reaching its end proves nothing."""
        if self.may_change and "action" not in self.did:
            raise Inconclusive(
                "nothing was done: the step ended without an action that was done, planned or already so",
                "let its function return an Action",
            )
        if not self.did:
            raise Inconclusive(
                "nothing was checked: the step ended without a check, a fact or a decision on record",
                "let its function return a Check",
            )

    def end(self, error: BaseException | None) -> StepEnded:
        """Close the step and return its result. With an `error`, the error is the result."""
        seconds = time.monotonic() - (self.began or time.monotonic())
        self.began = None
        if error is None:
            return StepEnded(self.outcome, self.detail, self.next_step, seconds)
        if isinstance(error, RunbookError):
            return StepEnded(outcome_of(error), error.seen, error.next_step, seconds)
        return StepEnded(outcome_of(error), str(error) or type(error).__name__, "", seconds)


def outcome_of(error: BaseException) -> Outcome:
    """Return the outcome of a step that raised `error`."""
    if isinstance(error, Inconclusive):
        return Outcome.INCONCLUSIVE
    return Outcome.FAILED if isinstance(error, Exception) else Outcome.INTERRUPTED
