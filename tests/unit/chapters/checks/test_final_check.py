"""The newest probes of the public address in the last look at production."""

import pytest

from runbook.chapters.checks.final_check import newest_probes
from runbook.errors import Inconclusive
from runbook.journal.availability import NO_ANSWER, Availability, Probe


def probed(*statuses: int) -> Availability:
    """Probes with these statuses, 0.25 seconds apart."""
    probes = tuple(Probe(number * 0.25, status, 0.01) for number, status in enumerate(statuses))
    return Availability("http://shop.example/orders", recent=probes)


@pytest.mark.parametrize("statuses", [(200, 200, 200), (503, 503, 200, 302, 200), (200,)])
def test_newest_probes_are_good(statuses: tuple[int, ...]) -> None:
    """Only the newest three probes count, so an outage during the switch does not fail the check."""
    assert newest_probes(probed(*statuses)).ok


@pytest.mark.parametrize("statuses", [(200, 200, 503), (200, 503, 200), (NO_ANSWER, 200, 200), (404,), ()])
def test_newest_probes_are_bad(statuses: tuple[int, ...]) -> None:
    """One bad probe among the newest three fails the check; having no probe does too."""
    assert not newest_probes(probed(*statuses)).ok


def test_order_of_answers_does_not_count() -> None:
    """Probes are sorted by their start: a late answer to an early probe is not the newest."""
    known = probed(503, 200, 200, 200)
    late = Availability(known.url, recent=(*known.recent[1:], known.recent[0]))
    assert newest_probes(late).ok


def test_nothing_is_probed() -> None:
    """If nothing is probed, this part of the check passes."""
    assert newest_probes(None).ok


def test_probing_broke_off() -> None:
    """A prober that stopped with an error makes the check inconclusive."""
    with pytest.raises(Inconclusive, match="probing of the public address stopped: no threads left"):
        newest_probes(Availability("http://shop.example", error="no threads left"))
