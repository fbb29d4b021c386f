"""Polling: repeat a check until it passes, can no longer pass, or reaches its deadline."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from runbook.actions import Check, Observation
from runbook.errors import (
    CommandFailed,
    CommandTimedOut,
    HostError,
    Inconclusive,
    JournalError,
    LockLost,
    ProductionError,
    RunbookError,
    StepTimedOut,
)
from runbook.polling import Sleeper, Waited, wait_for

NO = Observation(ok=False, seen="not yet")
YES = Observation(ok=True, seen="there")
UNKNOWN = Inconclusive("no answer", "look by hand")


@dataclass
class Time:
    """A clock that moves only by sleeps, or by the time that a look takes."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def waited(
    *looks: Observation | Exception, deadline: float, takes: float = 0.0, patience: float = 0.0
) -> tuple[Waited, Time]:
    """Poll with these looks, of which the last repeats forever. Each takes `takes` seconds."""
    time = Time()

    def sequence() -> Iterator[Observation | Exception]:
        yield from looks
        while True:
            yield looks[-1]

    answers = sequence()

    def observe() -> Observation:
        time.now += takes
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    check = Check("it there", observe, "wait", deadline, interval=0.5)
    return wait_for(check, lambda: time.now, Sleeper(time.sleep), patience=patience), time


@pytest.mark.parametrize("deadline", [0, 0.1, -1])
def test_at_least_one_look_is_made(deadline: float) -> None:
    """However short the deadline, one look is made, and its result counts."""
    assert waited(YES, deadline=deadline)[0].seen == YES
    result, time = waited(NO, deadline=deadline)
    assert (result.looks, result.seen.ok, time.slept) == (1, False, [])


def test_it_ends_with_the_first_good_look() -> None:
    """Polling ends with the first look that passes."""
    result, time = waited(NO, NO, YES, deadline=60)
    assert (result.looks, result.seconds) == (3, 1.0)
    assert time.slept == [0.5, 0.5]


@pytest.mark.parametrize("takes", [0.0, 0.3, 7.0])
def test_deadline_is_kept(takes: float) -> None:
    """No look begins after the deadline, however long each look takes."""
    result, _ = waited(NO, deadline=10, takes=takes)
    assert result.seconds - takes <= 10
    assert result.seconds + 0.5 + takes > 10
    assert not result.seen.ok


def test_what_cannot_become_so_is_not_waited_for() -> None:
    """A final observation ends the polling."""
    result, time = waited(NO, Observation(ok=False, seen="never", final=True), YES, deadline=60)
    assert (result.looks, result.seen.seen) == (2, "never")
    assert time.slept == [0.5]


def test_look_that_could_not_be_made_is_tried_again() -> None:
    """A look without an answer is repeated, and forgotten after a later answer."""
    result, _ = waited(UNKNOWN, UNKNOWN, YES, deadline=60)
    assert (result.looks, result.seen, result.unknown) == (3, YES, None)


def test_last_look_without_an_answer_is_not_known() -> None:
    """If the last look has no answer, the result is unknown with the reason, whatever was seen before."""
    result, _ = waited(NO, UNKNOWN, deadline=2)
    assert str(result.unknown) == str(UNKNOWN)
    assert not result.seen.ok
    assert result.seen.seen == "no answer"


def test_last_look_that_saw_otherwise_is_known() -> None:
    """If the last look has an answer, it counts, whatever was unknown before."""
    result, _ = waited(UNKNOWN, NO, deadline=2)
    assert result.unknown is None
    assert result.seen == NO


@pytest.mark.parametrize("error", [CommandTimedOut("too slow", "look"), CommandFailed("broken", "mend it")])
def test_host_that_could_not_be_asked_is_asked_again(error: HostError) -> None:
    """A look whose command fails or times out is repeated; if it is the last one, the result is unknown."""
    result, _ = waited(error, error, YES, deadline=60)
    assert (result.looks, result.seen, result.unknown) == (3, YES, None)
    result, _ = waited(NO, error, deadline=2)
    assert isinstance(result.unknown, Inconclusive)
    assert str(result.unknown) == str(error)
    assert result.seen == Observation(ok=False, seen=error.seen)


@pytest.mark.parametrize("takes", [0.0, 60.0])
def test_what_cannot_be_seen_is_looked_at_beyond_the_deadline(takes: float) -> None:
    """Looks without an answer are repeated up to `patience` seconds after the first one, beyond the deadline."""
    result, _ = waited(UNKNOWN, YES, deadline=0, takes=takes, patience=30)
    assert (result.looks, result.seen) == (2, YES)
    result, _ = waited(UNKNOWN, deadline=0, patience=30)
    assert (result.looks, result.seconds) == (61, 30)
    result, _ = waited(UNKNOWN, NO, deadline=0, patience=30)
    assert (result.looks, result.unknown) == (2, None)


@pytest.mark.parametrize("kind", [LockLost, JournalError, StepTimedOut, ProductionError])
def test_other_errors_are_not_waited_out(kind: type[RunbookError]) -> None:
    """Any other error ends the polling at once."""
    with pytest.raises(kind):
        waited(kind("broken", "mend it"), YES, deadline=60)


@dataclass
class Told:
    """A waker that records its waits, and ends each after the time for an open or a closed event stream."""

    time: Time
    is_open: bool
    waits: list[tuple[float, float]] = field(default_factory=list)
    looks: int = 0

    def look_begins(self) -> None:
        self.looks += 1

    def wait(self, seconds: float, between_events: float) -> None:
        self.waits.append((round(seconds, 3), round(between_events, 3)))
        self.time.sleep(between_events if self.is_open else seconds)


def told(
    *looks: Observation, deadline: float = 10, is_open: bool = True, by_engine: bool = True
) -> tuple[Waited, Told]:
    """Poll with these looks, of which the last repeats forever, with a waker."""
    time = Time()
    waker, left = Told(time, is_open), list(looks)
    check = Check(
        "it there",
        lambda: left.pop(0) if len(left) > 1 else left[0],
        "wait",
        deadline,
        interval=0.5,
        told_by_engine=by_engine,
    )
    return wait_for(check, lambda: time.now, waker), waker


def test_what_the_engine_tells_is_looked_at_seldom_in_between() -> None:
    """Looks between events are rarer only if the stream is open and the engine reports all that is checked."""
    assert told(NO, NO, YES)[1].waits == [(0.5, 2.0), (0.5, 2.0)]
    assert told(NO, NO, YES, is_open=False)[0].seconds == 1.0
    assert told(NO, NO, YES, by_engine=False)[1].waits == [(0.5, 0.5), (0.5, 0.5)]


def test_each_look_forgets_what_happened_before() -> None:
    """Each look first discards earlier events, so that an event during the look ends the pause after it."""
    assert told(NO, NO, YES)[1].looks == 3


def test_time_alone_may_make_it_so() -> None:
    """A check that can pass after some seconds without an event is repeated just then."""
    soon = Observation(ok=False, seen="not yet", again=1.2)
    assert told(soon, YES)[1].waits == [(0.5, 1.21)]
    assert told(Observation(ok=False, seen="not yet", again=0.2), YES, by_engine=False)[1].waits == [(0.21, 0.21)]


@pytest.mark.parametrize("is_open", [True, False])
def test_deadline_is_kept_between_events(is_open: bool) -> None:  # noqa: FBT001 - a parameter
    """The last look is at the deadline, however rare looks are."""
    found, waker = told(NO, deadline=5, is_open=is_open)
    assert found.seconds == 5
    assert found.looks == len(waker.waits) + 1
