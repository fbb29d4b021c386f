"""SIGKILL at a few moments of a rollback: the record names the step in flight, and `--resume` reaches the same end.

test_stopped.py kills while Compose works and lets it finish. `python -m tests.engine.kill_campaign --every` kills at
every moment.
"""

import pytest

from tests.engine.conftest import Rehearsed, docker
from tests.engine.kill_campaign import Campaign
from tests.support.campaigns import campaign
from tests.support.keeping import keep


@pytest.fixture(scope="module")
def kills(broken: Rehearsed) -> Campaign:
    """Kills on the shop."""
    return Campaign(broken, seed=1)


def moment(kills: Campaign, kind: str, words: str) -> str:
    """Return the moment of that kind at the step or change that contains these words."""
    places = kills.undisturbed.steps if kind in ("began", "ended") else [s for s, _ in kills.undisturbed.changes]
    return f"{kind}:{next(number for number, place in enumerate(places, start=1) if words in place)}"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        pytest.param("middle", "are brought up on", id="under-compose", marks=campaign),
        pytest.param("crash", "are brought up on", id="with-compose"),
        pytest.param("last", "the follow-up ticket is opened", id="told-and-not-noted"),
    ],
)
def test_killed_rollback_comes_to_the_same_end(kills: Campaign, kind: str, words: str) -> None:
    """Journal, page and production are as they must be after the kill, and after the incident was resumed."""
    kill = kills.kill_at(moment(kills, kind, words))
    assert kill.problems == []
    assert (kill.killed, kill.resumed, kill.same) == (True, True, True)


def test_container_half_replaced_gets_its_own_name_again(kills: Campaign, broken: Rehearsed) -> None:
    """An `up` that was interrupted between two containers is repaired when the incident is resumed."""
    name = f"{broken.practice.name}-api-1"
    kill = kills.kill_at(
        moment(kills, "began", "every api and jobs container runs the pinned digest"),
        lambda: docker("rename", name, f"0123456789ab_{name}"),
    )
    assert kill.problems == []
    keep("resumed", broken.reports / kill.record)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("middle", "started beside the failed release"),
        ("last", "are brought up on"),
        ("last", "user traffic is held"),
        ("middle", "the failed containers of api are stopped"),
        ("middle", "the target's containers take their names"),
        ("began", "held traffic is released to the target"),
    ],
)
def test_killed_switch_comes_to_the_same_end(kills: Campaign, kind: str, words: str) -> None:
    """Killed at a sample of moments of the switch beside, the incident is resumed to the same end."""
    kill = kills.kill_at(moment(kills, kind, words))
    assert kill.problems == []
    assert (kill.killed, kill.resumed, kill.same) == (True, True, True)
