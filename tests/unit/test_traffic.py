"""The traffic gate: its state is its own word, and users see what the public address answers."""

from pathlib import Path

import pytest

from runbook.errors import Inconclusive
from runbook.settings import ServiceCommand, TrafficSettings
from runbook.traffic import TrafficGate
from runbook.waiting import wait_for
from tests.unit.parts import Reply, asking, host, production, serving


def gate_of(
    folder: Path, prober: object = None, url: str = "http://127.0.0.1:1", header: str | None = "X-Release"
) -> TrafficGate:
    """A gate that is a file on the host: what it says is what the file says."""
    settings = TrafficSettings(
        public_url=url + "/",
        check_path="/orders",
        release_header=header,
        pause=ServiceCommand(command=("sh", "-c", "echo closed > gate")),
        resume=ServiceCommand(command=("sh", "-c", "echo open > gate")),
        state=ServiceCommand(command=("cat", "gate")),
    )
    return TrafficGate(production(folder), prober, settings, 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["open", "closed"])
def test_state_is_what_the_gate_says(tmp_path: Path, state: str) -> None:
    """The gate is asked, blanks around its answer do not matter."""
    (tmp_path / "gate").write_text(f" {state}\n")
    assert gate_of(tmp_path).state() == state


@pytest.mark.parametrize(
    "said", [None, "", "OPEN", "opened", "open\nclosed", "no such backend"], ids=["unreadable", *map(repr, range(5))]
)
def test_gate_that_says_neither_is_not_known(tmp_path: Path, said: str | None) -> None:
    """Any other answer leaves the state open; it is never taken for closed or open."""
    if said is not None:
        (tmp_path / "gate").write_text(said)
    with pytest.raises(Inconclusive, match="does not say whether it is open or closed"):
        gate_of(tmp_path).state()


def test_pausing_and_resuming_converge(tmp_path: Path) -> None:
    """Pausing closes the gate, and a closed gate need not be paused; the same for resuming."""
    (tmp_path / "gate").write_text("open")
    gate = gate_of(tmp_path)
    assert gate.pausing().already() is None
    assert gate.resuming().already() == "the gate is open"
    host().check(gate.pausing().actions[0])  # type: ignore[arg-type]
    assert gate.pausing().already() == "the gate is closed"
    assert wait_for(gate.being("closed")).seen.ok
    assert not wait_for(gate.being("open")).seen.ok
    host().check(gate.resuming().actions[0])  # type: ignore[arg-type]
    assert wait_for(gate.being("open")).seen.ok


RELEASED = {"X-Release": "v1"}


@pytest.mark.parametrize(
    ("reply", "header", "good"),
    [
        pytest.param(Reply(200, headers=RELEASED), "X-Release", True, id="the-target"),
        pytest.param(Reply(200, headers=RELEASED), "x-release", True, id="header-in-another-case"),
        pytest.param(Reply(200, headers={"X-Release": "v2"}), "X-Release", False, id="another-release"),
        pytest.param(Reply(200), "X-Release", False, id="names-no-release"),
        pytest.param(Reply(200), None, True, id="no-header-agreed"),
        pytest.param(Reply(503, headers=RELEASED), "X-Release", False, id="the-target-out-of-order"),
        pytest.param(Reply(404), None, False, id="not-found"),
    ],
)
def test_serving_is_a_good_answer_from_the_target(
    tmp_path: Path, reply: Reply, header: str | None, *, good: bool
) -> None:
    """Users are served when the public address answers well, and from the target where answers say so."""
    with serving(lambda _asked: reply) as server, asking() as prober:
        found = wait_for(gate_of(tmp_path, prober, server.url, header).serving("v1"))
    assert found.seen.ok is good
    assert f"answers {reply.status}" in found.seen.seen
    assert {asked.path for asked in server.asked} == {"/orders"}


@pytest.mark.parametrize(
    ("reply", "kept_out"),
    [
        pytest.param(Reply(503), True, id="gateway-says-no"),
        pytest.param(Reply(503, headers=RELEASED), False, id="application-says-no"),
        pytest.param(Reply(200), False, id="somebody-answers"),
        pytest.param(Reply(404), False, id="somebody-has-no-such-page"),
    ],
)
def test_users_are_kept_out_by_the_gateway_only(tmp_path: Path, reply: Reply, *, kept_out: bool) -> None:
    """An error of the application itself shows that requests still reach it."""
    with serving(lambda _asked: reply) as server, asking() as prober:
        assert wait_for(gate_of(tmp_path, prober, server.url).keeping_users_out()).seen.ok is kept_out


def test_no_answer_is_neither_served_nor_kept_out(tmp_path: Path) -> None:
    """When nobody listens on the public address, nothing is known."""
    with asking() as prober:
        gate = gate_of(tmp_path, prober, "http://127.0.0.1:1")
        assert wait_for(gate.serving("v1")).unknown is not None
        assert wait_for(gate.keeping_users_out()).unknown is not None
