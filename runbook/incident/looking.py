"""How an executor looks: with retries while there is no answer, with nothing cached, and ahead of the step."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any

from runbook.actions import Check, Observation, nothing
from runbook.incident.look_ahead import RecorderOfLooksAhead
from runbook.journal.journal import Journal
from runbook.polling import Waited, Waker, wait_for

#: Seconds for which a query without an answer is repeated at most, as long as nothing was changed.
_NO_HURRY_YET = 3.0
#: Whether this thread is inside a look that is repeated as a whole.
_LOOKING = ContextVar("looking", default=False)


class Looking(RecorderOfLooksAhead):
    """The looks of one run: the checks of its steps, and what it asks before an action."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        #: The changes to production that began, in words.
        self.changes_made: list[str] = []
        #: Seconds for which a query without an answer is repeated, once something was changed.
        self.no_answer = 0.0
        #: Ends a pause between two looks early. None: the pause lasts its full time.
        self.waker: Waker | None = None
        #: Called when a look begins, and around everything that may change production: drops what was cached.
        self.look_anew: Callable[[], None] = nothing

    @property
    def patience(self) -> float:
        """Seconds for which a command that only looks is repeated. 0 inside a look, which is repeated as a whole."""
        return 0.0 if _LOOKING.get() else self._patience

    @property
    def _patience(self) -> float:
        return self.no_answer if self.changes_made else min(self.no_answer, _NO_HURRY_YET)

    @contextmanager
    def one_look(self) -> Iterator[float]:
        """Turn off retries of single commands in the `with` block. Yields the seconds for which to repeat it all."""
        before = _LOOKING.set(True)
        try:
            yield self._patience
        finally:
            _LOOKING.reset(before)

    def look_ahead(self, checks: Iterable[Check], looks: Mapping[Any, Callable[[], Any]] | None = None) -> None:
        """Start checks of later steps now, in parallel. Each step takes its own result.

        No two of `checks` may expect the same. `looks` are parts of steps, which take their results by name
        (`ahead.found`). Only for looks that read and write nothing to the record themselves.
        """
        # No waker: an event wakes only one thread, and that must be the one that runs the steps.
        begun: dict[Any, Callable[[], Any]] = {check.expected: partial(self._look, check, None) for check in checks}
        self.ahead.begin(begun | dict(looks or {}))

    def looked_at(self, check: Check) -> Waited:
        """Look until the check is as expected or its deadline ends, or take the result of a look made ahead."""
        return self.ahead.found(check.expected, partial(self._look, check, self.waker))

    def _look(self, check: Check, waker: Waker | None) -> Waited:
        def observe() -> Observation:
            self.look_anew()
            return check.observe()

        with nullcontext(0.0) if check.one_look else self.one_look() as patience:
            return wait_for(replace(check, observe=observe), waker=waker, patience=patience)
